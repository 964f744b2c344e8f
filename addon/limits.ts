/** Every number of the sidecar, with its unit and its reason. */

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** Bytes of a message head, both directions: model APIs and cookies pass 16 KiB, Node's default. */
export const HEAD_BYTES = 64 * KiB;
/** Fields of a request. Node's parser drops silently beyond 1000 unless told otherwise; no known client sends 100. */
export const HEAD_FIELDS = 500;
/** Bytes of a trailer section: checksums, a signature, a status. */
export const TRAILER_BYTES = 16 * KiB;
/** Hexadecimal digits of a chunk's size, leading zeros included: every such number is exact, and none is ever needed. */
export const CHUNK_DIGITS = 12;
/** Bytes of the extensions of one chunk of an answer; they are dropped. */
export const CHUNK_EXTENSION_BYTES = 1 * KiB;
/**
 * Bytes of a body, or of one message of a stream, that is held in memory and looked at as one text: a long conversation with images is
 * about 20 MiB. Longer bodies lie on the disk.
 */
export const BODY_BYTES = 32 * MiB;
/** Bytes of a body of unknown length that stay in memory until it is whole. */
export const UNKNOWN_BYTES = 8 * MiB;
/** Bytes of all request bodies that are held at once. Together with the idle process it stays well below its container's 1 GiB. */
export const BUDGET_BYTES = 256 * MiB;
/** Bytes of all bodies that lie on the disk at once, or twice the largest one that a manifest allows. */
export const SPOOL_BYTES = 4 * GiB;
/** Bytes that are written to the disk, or read from it, at a time: larger ones are no faster, and are garbage longer. */
export const SPOOL_BLOCK = 128 * KiB;
/** Bytes of the disk that a growing body takes at a time. */
export const SPOOL_STEP = 64 * MiB;
/** Bytes that bodies leave free on the disk, twice what a journal may have: it lies there too, and without it there is no service. */
export const DISK_SPARE_BYTES = 512 * MiB;

/** Milliseconds in which a request's head must be complete; browsers open connections ahead and keep them idle. */
export const HEAD_MS = 60_000;
/** Milliseconds in which a whole request must have arrived: 32 MiB over a slow disk or an image build. */
export const REQUEST_MS = 300_000;
/** Milliseconds between two looks at what is late. */
export const REQUEST_CHECK_MS = 5_000;
/** Milliseconds that an idle kept-alive connection of the agent stays open; longer than clients keep theirs. */
export const CLIENT_IDLE_MS = 90_000;
/** Milliseconds from the answered CONNECT to its first byte; browsers open tunnels in advance. */
export const FIRST_BYTE_MS = 120_000;
/** Milliseconds for a TLS handshake with the agent. */
export const HANDSHAKE_MS = 20_000;
/** Milliseconds that a connection has, whose last answer is written, until the agent has read it. */
export const LINGER_MS = 5_000;
/** Bytes that are held of what an agent sends behind a request whose answer is not complete. */
export const PIPELINED_BYTES = 64 * KiB;
/** Bytes of a ClientHello that is only looked at: with post-quantum key shares and tickets it has a few thousand. */
export const HELLO_BYTES = 64 * KiB;
/** Connections of the agent; more than its file descriptors by default. */
export const CLIENT_CONNECTIONS = 4_096;

/** Milliseconds of a scan, and more for each megabyte of it: what the slowest supported scanner costs. */
export const SCAN_MS = 3_000;
export const SCAN_MS_PER_MB = 10_000;
/** Connections to the scanner. It is one thread: more would only wait inside it. */
export const SCAN_CONNECTIONS = 8;
/** Scans that wait for a connection; beyond it a request is told so at once. */
export const SCAN_QUEUE = 256;
/** Milliseconds that a part waits for its turn: the work of 40 bodies of 1 MB on two cores. A scanner that hangs is told of, not waited for. */
export const SCAN_WAIT_MS = 60_000;
/** Milliseconds after which a scan that nobody waits for any more no longer counts: twice what the largest body costs. */
export const SCAN_ABANDONED_MS = 120_000;
/** Milliseconds to connect to a scanner. */
export const SCAN_CONNECT_MS = 2_000;
/** Milliseconds that an idle connection to the scanner is kept; pipelock keeps it for 120 s. */
export const SCAN_IDLE_MS = 60_000;
/** Milliseconds that a network scanner has until it serves, and between two looks. */
export const HEALTH_MS = 15_000;
export const HEALTH_POLL_MS = 25;
/** Scans that wait for a network scanner; each costs it a core. */
export const NETWORK_SCAN_QUEUE = 64;
/** Bytes of a head at the sink: the agent's, with every character of its path escaped. */
export const SINK_HEAD_BYTES = 256 * KiB;
/** Milliseconds for a whole request at the sink, and that its idle connections stay open; pipelock keeps them for 90 s. */
export const SINK_REQUEST_MS = 60_000;
export const SINK_IDLE_MS = 120_000;
/** Bytes of a scanner's reply that are read; a block is one line. */
export const SCAN_REPLY_BYTES = 64 * KiB;
/** Characters of a scanner's line that are passed on. */
export const FINDING_CHARACTERS = 300;

/** Bytes of a body on the disk that the embedded scanner looks at as one text: a few, so that neither side grows. */
export const WINDOW_BYTES = 2 * MiB;
/** The same for a network scanner, which needs seconds for each. */
export const NETWORK_WINDOW_BYTES = MiB;
/** Bytes that two windows share; longer than anything that is looked for, encoded twice. */
export const WINDOW_OVERLAP = 64 * KiB;
/** Bodies that are looked at in windows at once; each has some in memory, the others wait on the disk. */
export const WINDOWED_AT_ONCE = 4;
/** Bytes that a body on the disk may decompress to, and how many times its size: what expands more was made to. */
export const EXPANDED_BYTES = 8 * GiB;
export const EXPANDED_RATIO = 100;

/** The same of the objects of git packs, however short those are: a repository of generated text packs a thousand to one. */
export const PACK_BYTES = 512 * MiB;
/** Objects of git packs in one body, at some 10 µs each; all of Linux is 11 million. */
export const PACK_OBJECTS = 20_000_000;

/** Parts of one request that are scanned at once: the request, and beside it its extract, which is nearly always short. */
export const SCAN_PARTS_AT_ONCE = 2;
/** Bytes of the extract of a request's head that go along in a field; a longer one is a part of its own. */
export const EXTRACT_FIELD_BYTES = 8 * KiB;
/** Bytes that an extract may have beyond twice its body: a head's, and what small bodies decode to. */
export const EXTRACT_SPARE = 256 * KiB;
/** Bytes that two parts of one extract share; longer than anything that is looked for. */
export const EXTRACT_OVERLAP = 4 * KiB;
/**
 * Bytes of the messages before that are read once more together with the beginning of the next, and bytes of that: longer than any
 * private key. An open WebSocket keeps at most three such ends, and 32 KiB more where it compresses; a gRPC call at most four.
 */
export const SEAM_BYTES = 4 * KiB;

/** Characters of the shortest base64 that a mask covers; in less of it, no rule finds a key by chance. */
export const LEAST_MASKED = 64;

/** Milliseconds of one DNS query, and how often it is tried. */
export const RESOLVE_MS = 3_000;
export const RESOLVE_TRIES = 2;
/** Milliseconds that the other family's addresses are waited for once one has come (RFC 8305 section 3). */
export const RESOLVE_OTHER_MS = 50;
/** Milliseconds to connect to one address. */
export const CONNECT_MS = 8_000;
/** Milliseconds until the next address is tried beside it (RFC 8305 section 5). */
export const CONNECT_STAGGER_MS = 250;
/** Addresses of one name that are tried. */
export const CONNECT_ADDRESSES = 4;
/** Milliseconds of silence after which the system asks whether the other side still exists; clouds forget a connection after 350 s. */
export const PROBE_AFTER_MS = 60_000;
/** Milliseconds of an upstream's TLS handshake. */
export const UPSTREAM_TLS_MS = 10_000;
/** TLS sessions with upstreams that are kept, a few KB each. */
export const UPSTREAM_SESSIONS = 500;
/** Milliseconds that the company's proxy has for a tunnel: it resolves and connects in them. */
export const PROXY_MS = 30_000;
/**
 * Milliseconds until an upstream's response head. A model may think for minutes before it begins; the libraries of its makers wait for ten,
 * and it is they who should give up first.
 */
export const UPSTREAM_HEAD_MS = 1_800_000;
/**
 * Milliseconds of silence inside a response. A stream of events may be idle between two of them for as long as its maker likes; an upstream
 * that no longer exists is found by the system's probes within 15 minutes.
 */
export const UPSTREAM_SILENCE_MS = 3_600_000;
/** Interim (1xx) heads before an answer; no known upstream sends more than a few. */
export const UPSTREAM_INTERIM = 32;
/** Milliseconds that an idle upstream connection is kept, below the 5 s at which the shortest-lived known servers close theirs. */
export const UPSTREAM_IDLE_MS = 4_000;
/** Connections to one upstream, and to all: each may hold a few hundred KB in the system's buffers. */
export const UPSTREAM_CONNECTIONS = 128;
export const UPSTREAM_CONNECTIONS_ALL = 1_024;
/** Requests that wait for one of them; beyond it a request is told so at once. */
export const UPSTREAM_QUEUE = 1_024;
/** Bytes that are handed to an upstream's connection at once; that much may lie in its buffer without being counted. */
export const UPSTREAM_WRITE_BYTES = 256 * KiB;
/** Upstreams whose protocol is remembered. */
export const UPSTREAM_PLACES = 256;

/** Leaf contexts that are kept, at 30–35 KB each. */
export const LEAVES = 500;
/** Days that CA and leaves are valid, hours that they are backdated for clocks that are behind. */
export const CA_DAYS = 30;
export const CA_BACKDATED_HOURS = 1;
/** Hours before the CA's end from which on requests are told to restart the session. */
export const CA_MARGIN_HOURS = 24;

/** Bytes of the journal, after which there is no service: a disk must not be filled by an agent. About a million requests. */
export const JOURNAL_BYTES = 256 * MiB;
/** Refusals of one kind that are listed before they are only counted, milliseconds between two counts, and kinds that are kept apart. */
export const REFUSALS_LISTED = 20;
export const REFUSALS_COUNTED_MS = 5_000;
export const REFUSAL_KINDS = 1_000;
/** Characters of a path in the journal. */
export const PATH_CHARACTERS = 256;

/** Streams of one HTTP/2 connection of the agent that are open at once: what servers offer, and more than any known client uses. */
export const CLIENT_STREAMS = 128;
/**
 * Bytes that the agent may send on a stream, and on all of a connection's together, before any are taken: what HTTP/2 begins with (RFC 9113
 * section 6.9.2), and what the sockets of one host hold although the sidecar stands still. With more, a write is put off, and what Debian's git
 * (libcurl 7.88 with GnuTLS) sends then is not what it meant to send: with 1 MiB one push in four failed on a busy machine. Agent and
 * sidecar are on one host, so that nothing would be gained.
 */
export const CLIENT_WINDOW = 65_535;
/** Resets of an HTTP/2 connection at once, and per second from then on (CVE-2023-44487): a browser drops a page's requests together. */
export const STREAM_RESETS = 500;
export const STREAM_RESETS_PER_SECOND = 33;
/** Frames on one HTTP/2 connection that break the rules, and streams that it opens beyond what is allowed, before it is closed. */
export const INVALID_FRAMES = 100;
export const REJECTED_STREAMS = 100;
/** Settings in one frame; there are nine in all. */
export const SETTINGS = 32;
/** MiB of one HTTP/2 connection's heads and unsent bytes, beyond which it opens no stream: 128 heads and a few large pieces of bodies. */
export const SESSION_MIB = 64;
/** Milliseconds in which an agent that is answered may still send of its request; what comes is not kept. */
export const STREAM_LINGER_MS = 1_000;

/** Bytes that an upstream may send on a stream before they are taken: from 100 ms away that is 40 MB/s. */
export const UPSTREAM_WINDOW = 4 * MiB;
/** The same of an upstream's connection, whose streams share it: 64 KiB from 100 ms away would be 0.6 MB/s for all of them. */
export const UPSTREAM_SESSION_WINDOW = 64 * MiB;
/** Bytes of answers over HTTP/2 that wait for an agent that is slower: 64 full windows. */
export const UPSTREAM_HELD_BYTES = 256 * MiB;
/**
 * Milliseconds without a word from an HTTP/2 connection to an upstream, after which it takes no other request, and is closed if it carries
 * none: below the 350 s after which clouds forget one, and a machine that slept for longer has lost them all.
 */
export const UPSTREAM_SHARED_IDLE_MS = 120_000;
/** Streams on one HTTP/2 connection to an upstream, if it allows as many. */
export const UPSTREAM_STREAMS = 100;
