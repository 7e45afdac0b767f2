// What runs inside a Node.js function's environment: asks the Runtime API for an event, has the handler answer it, posts the
// answer and asks again in one go. Only Node's own modules are used.

import { api } from './api.mjs';
import { failure, prepareConsole, setRequest } from './console.mjs';
import { load } from './handlers.mjs';
import { streamed } from './streams.mjs';

const { env } = process;
const major = Number(process.versions.node.split('.')[0]);
let turn = null; // the event that is being handled: {id, finish, failed}

prepareConsole();
process.on('uncaughtException', (problem) => crash(problem, problem?.name ?? 'Error', 'Uncaught Exception', 129));
process.on('unhandledRejection', (reason, promise) => {
  const problem = new Error(String(reason));
  Object.assign(problem, { name: 'Runtime.UnhandledPromiseRejection', reason, promise });
  crash(problem, problem.name, 'Unhandled Promise Rejection', 128);
});
process.on('beforeExit', () => turn?.idle());

const connection = await api(env.AWS_LAMBDA_RUNTIME_API);
let handler;
try {
  handler = await load(env.LAMBDA_TASK_ROOT ?? '/var/task', env._HANDLER);
  if (major >= 24 && !handler[streamed] && handler.length >= 3) {
    const problem = new Error('AWS Lambda has removed support for callback-based function handlers starting with Node.js 24.');
    throw Object.assign(problem, { name: 'Runtime.CallbackHandlerDeprecated' });
  }
} catch (problem) {
  const said = failure(problem);
  console.error('Uncaught Exception', '\t', JSON.stringify({ ...said, trace: undefined, stack: said.trace }));
  await connection.post('init/error', JSON.stringify(said), said.errorType);
  process.exit(1);
}

let event = await connection.next();
for (;;) {
  setRequest(event.headers['lambda-runtime-aws-request-id']);
  const trace = event.headers['lambda-runtime-trace-id'] ?? '';
  if ((env._X_AMZN_TRACE_ID ?? '') !== trace) env._X_AMZN_TRACE_ID = trace;
  event = await handle(event);
}

// One event: resolves to the next.
async function handle({ headers, body }) {
  const id = headers['lambda-runtime-aws-request-id'];
  connection.rest(); // the connection does not count as work: when nothing else is left to do, the handler is done
  try {
    const payload = JSON.parse(body.toString());
    if (handler[streamed]) return await stream(id, payload, context(headers, () => {}));
    const answer = await new Promise((resolve, reject) => {
      const finish = (problem, result) => (problem ? reject(problem) : resolve(result));
      const seen = context(headers, finish);
      turn = { id, idle: () => resolve(null) };
      let waiting = null;
      const callback = (problem, result) => {
        if (waiting) return;
        waiting = [problem, result];
        if (seen.callbackWaitsForEmptyEventLoop) turn.idle = () => finish(problem, result);
        else setImmediate(() => finish(problem, result));
      };
      const returned = handler(payload, seen, callback);
      if (typeof returned?.then === 'function') returned.then(resolve, reject);
      else if (returned !== undefined && handler.length < 3) resolve(returned);
    });
    const said = JSON.stringify(answer === undefined ? null : answer) ?? 'null';
    turn = null;
    return await connection.answered(id, said);
  } catch (problem) {
    turn = null;
    const said = failure(problem);
    console.error('Invoke Error', '\t', JSON.stringify({ ...said, trace: undefined, stack: said.trace }));
    return await connection.answered(id, JSON.stringify(said), said.errorType);
  }
}

async function stream(id, payload, seen) {
  const response = connection.stream(id);
  turn = { id, response, idle: () => {} };
  try {
    await handler(payload, response, seen);
    if (!response.writableEnded && !response.writableFinished) await new Promise((resolve) => response.on('finish', resolve));
    else if (!response.writableFinished) await new Promise((resolve) => response.on('finish', resolve));
  } catch (problem) {
    const said = failure(problem);
    console.error('Invoke Error', '\t', JSON.stringify({ ...said, trace: undefined, stack: said.trace }));
    if (!response.begun) {
      response.destroy();
      turn = null;
      return await connection.answered(id, JSON.stringify(said), said.errorType);
    }
    response.failed(said);
  }
  turn = null;
  return await connection.next(response.receipts);
}

function context(headers, finish) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const parsed = (name) => (headers[name] ? JSON.parse(headers[name]) : undefined);
  const seen = {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed('lambda-runtime-client-context'),
    identity: parsed('lambda-runtime-cognito-identity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0),
  };
  if (major < 24) {
    seen.done = (problem, result) => finish(problem, result);
    seen.succeed = (result) => finish(null, result);
    seen.fail = (problem) => finish(problem ?? new Error('handled'));
  }
  return seen;
}

// What nobody caught: told to whoever waits for an answer, and the end of this process.
async function crash(problem, kind, words, code) {
  const said = { ...failure(problem), errorType: kind };
  console.error(words, '\t', JSON.stringify({ ...said, trace: undefined, stack: said.trace }));
  try {
    if (turn) await connection.answered(turn.id, JSON.stringify(said), kind, true);
    else await connection.post('init/error', JSON.stringify(said), kind);
  } finally {
    process.exit(code);
  }
}
