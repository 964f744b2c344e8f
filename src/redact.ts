/** A scanner's log without what an agent wrote: pipelock logs URLs in full, and a URL is where a key was found. Pure. */

const URL_TEXT = /\b(https?):\/\/[^\s"'\\<>]*/gi;
/** A plain host; any other may be data itself. */
const PLAIN_HOST =
  /^https?:\/\/((?:[a-z0-9_-]{1,20}\.){0,5}[a-z0-9_-]{1,20}|\[[0-9a-f:]{2,40}\])(?::\d{1,5})?(?:[/?#]|$)/i;

/** One line of the log, the same if there is nothing to take out. */
export function redact(line: string): string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return withoutUrls(line);
  }
  if (typeof value !== 'object' || value === null) return withoutUrls(line);
  const entries = Object.entries(value).map(([key, text]: [string, unknown]) => {
    if (typeof text !== 'string') return [key, text];
    // A reason quotes a query's key, a host's label or the answer of a resolver, and names hosts without quotes.
    const told = withoutUrls(text);
    return [key, key === 'reason' || key === 'error' ? withoutLongWords(withoutQuotes(told)) : told];
  });
  return JSON.stringify(Object.fromEntries(entries));
}

function withoutUrls(text: string): string {
  return text.replaceAll(URL_TEXT, (url, scheme: string) => {
    const host = PLAIN_HOST.exec(url)?.[1];
    return host === undefined ? `${scheme}://[redacted]` : `${scheme}://${host}/[redacted]`;
  });
}

function withoutQuotes(text: string): string {
  return text.replaceAll(/"(?!https?:)[^"]*"/g, '"[redacted]"');
}

/** A URL is short already; a plain host may stay. */
function withoutLongWords(text: string): string {
  return text.replaceAll(/(?<!\S)[^\s"]{21,}/g, (word) =>
    /^https?:\/\//.test(word) || PLAIN_HOST.test(`http://${word.replace(/[:,;]$/, '')}`) ? word : '[redacted]',
  );
}
