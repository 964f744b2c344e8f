/** Trailers of a request: carried and scanned like its fields, but never what a server would act upon before it has read the body. */
import { isKeyField } from './keynames.ts';
import { HEAD_FIELDS } from './limits.ts';
import { type Field, type Refusal, refused } from './message.ts';
import { isPerHop } from './receipt.ts';

/** RFC 9110 section 6.5.1: nothing of framing, routing, identity or meaning, which some servers merge into the head. */
export function trailerRefusal(trailers: readonly Field[]): Refusal | undefined {
  if (trailers.length > HEAD_FIELDS) return refused(431, `there are more than ${HEAD_FIELDS} trailers`);
  return trailers.some(([name]) => belongsInHead(name.toLowerCase()))
    ? refused(400, 'one of the trailers has a name that only a field of the head may have')
    : undefined;
}

function belongsInHead(name: string): boolean {
  return isPerHop(name) || isKeyField(name) || HEAD_ONLY.test(name);
}

const HEAD_ONLY =
  /^((proxy|if|accept|x-forwarded|x-pipelock|sec|access-control)-.*|content-(type|encoding|range|location|disposition)|set-cookie2?|cache-control|pragma|range|max-forwards|age|date|expires|location|vary|via|forwarded|origin|referer|from|user-agent|x-real-ip|x-(http-)?method(-override)?|x-original-(url|host|method)|x-rewrite-url|alt-used|http2-settings|early-data|www-authenticate|authentication-info)$/;
