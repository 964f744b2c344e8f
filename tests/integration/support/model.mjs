// Stands in for two model APIs. It says one sentence, unless the prompt has lines that begin with "do ": then it calls those tools,
// one a turn, in their order, and says the sentence after the last.

const TEXT = 'The bottle is closed.';

/** An answer of Anthropic's Messages API, streamed or whole. */
export function messages(response, body) {
  const { stream, model, messages: turns = [], tools = [] } = JSON.parse(body.toString() || '{}');
  const call = callOf(turns, tools);
  const block = call ? { type: 'tool_use', ...call } : { type: 'text', text: TEXT };
  const end = { stop_reason: call ? 'tool_use' : 'end_turn', stop_sequence: null };
  const message = {
    id: `msg_${turns.length}`,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 10, output_tokens: 1 },
  };
  if (!stream)
    return response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ ...message, ...end, content: [block] }));
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  const send = (type, data) => response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  send('message_start', { message });
  send('content_block_start', { index: 0, content_block: call ? { ...block, input: {} } : { ...block, text: '' } });
  const deltas = call
    ? [{ type: 'input_json_delta', partial_json: JSON.stringify(call.input) }]
    : TEXT.split(/(?<= )/).map((text) => ({ type: 'text_delta', text }));
  for (const delta of deltas) send('content_block_delta', { index: 0, delta });
  send('content_block_stop', { index: 0 });
  send('message_delta', { delta: end, usage: { output_tokens: 6 } });
  send('message_stop', {});
  response.end();
}

// The n-th call that the prompt asks for, where n results have come back. A client's side requests (titles, summaries) offer no such tool.
function callOf(turns, tools) {
  const blocks = turns.flatMap(({ content }) =>
    typeof content === 'string' ? [{ type: 'text', text: content }] : content,
  );
  const asked = blocks.flatMap(({ text = '' }) => [...text.matchAll(/^do (\w+) (\{.*\})$/gm)]);
  const done = blocks.filter(({ type }) => type === 'tool_result').length;
  const [, name, input] = asked[done] ?? [];
  return tools.some((tool) => tool.name === name) ? { id: `toolu_${done}`, name, input: JSON.parse(input) } : undefined;
}

/** An answer of OpenAI's Chat Completions API. */
export function chat(response, body) {
  const { model } = JSON.parse(body.toString());
  response.writeHead(200, { 'content-type': 'application/json' }).end(
    JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 0,
      model,
      choices: [{ index: 0, message: { role: 'assistant', content: TEXT }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    }),
  );
}
