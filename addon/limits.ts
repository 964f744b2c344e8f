/** Every number of the sidecar, with its unit and its reason. */

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** Bytes of a message head, both directions: model APIs and cookies pass 16 KiB, Node's default. */
export const HEAD_BYTES = 64 * KiB;
/** Fields of a request. Node's parser drops silently beyond 1000 unless told otherwise; no known client sends 100. */
export const HEAD_FIELDS = 500;
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
/** Milliseconds between two looks at the two limits above. */
export const REQUEST_CHECK_MS = 5_000;
/** Milliseconds that an idle kept-alive connection of the agent stays open; longer than clients keep theirs. */
export const CLIENT_IDLE_MS = 90_000;
/** Milliseconds from the answered CONNECT to its first byte; browsers open tunnels in advance. */
export const FIRST_BYTE_MS = 120_000;
/** Milliseconds for a TLS handshake with the agent. */
export const HANDSHAKE_MS = 20_000;
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

/** Parts of one request that are scanned at once: the request, and beside it its extract, which is nearly always short. */
export const SCAN_PARTS_AT_ONCE = 2;
/** Bytes of the extract of a request's head that go along in a field; a longer one is a part of its own. */
export const EXTRACT_FIELD_BYTES = 8 * KiB;
/** Bytes that an extract may have beyond twice its body: a head's, and what small bodies decode to. */
export const EXTRACT_SPARE = 256 * KiB;
/** Bytes that two parts of one extract share; longer than anything that is looked for. */
export const EXTRACT_OVERLAP = 4 * KiB;

/** Characters of the shortest base64 that a mask covers; in less of it, no rule finds a key by chance. */
export const LEAST_MASKED = 64;

/** Milliseconds of one DNS query, and how often it is tried. */
export const RESOLVE_MS = 3_000;
export const RESOLVE_TRIES = 2;
/** Milliseconds to connect to one address. */
export const CONNECT_MS = 8_000;
/** Addresses of one name that are tried. */
export const CONNECT_ADDRESSES = 4;
/** Milliseconds of an upstream's TLS handshake. */
export const UPSTREAM_TLS_MS = 10_000;
/** Milliseconds until an upstream's response head: a model may think for minutes before it begins. */
export const UPSTREAM_HEAD_MS = 600_000;
/** Milliseconds of silence inside a response: longer than the pings of any known event stream. */
export const UPSTREAM_SILENCE_MS = 600_000;
/** Milliseconds that an idle upstream connection is kept, below the 5 s at which the shortest-lived known servers close theirs. */
export const UPSTREAM_IDLE_MS = 4_000;
/** Connections to one upstream. */
export const UPSTREAM_CONNECTIONS = 128;
/** Upstreams whose connections are kept. */
export const UPSTREAM_POOLS = 256;

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
