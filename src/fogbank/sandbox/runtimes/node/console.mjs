// console.log and its like as log lines, and failures as Lambda's JSON.

import fs from 'node:fs';
import { format } from 'node:util';

const LEVELS = { trace: 'TRACE', debug: 'DEBUG', info: 'INFO', log: 'INFO', warn: 'WARN', error: 'ERROR', fatal: 'FATAL' };
const ORDER = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
let requestId = 'undefined';

export function setRequest(id) {
  requestId = id;
}

export function prepareConsole() {
  const json = (process.env.AWS_LAMBDA_LOG_FORMAT ?? '').toUpperCase() === 'JSON';
  const least = ORDER.indexOf((process.env.AWS_LAMBDA_LOG_LEVEL ?? 'TRACE').toUpperCase());
  for (const [name, level] of Object.entries(LEVELS)) {
    if (json && ORDER.indexOf(level) < least) console[name] = () => {};
    else console[name] = json ? (...words) => put(asJson(level, words)) : (...words) => put(asText(level, words));
  }
}

function put(line) {
  const bytes = Buffer.from(line + '\n');
  for (let at = 0; at < bytes.length; ) {
    try {
      at += fs.writeSync(1, bytes, at);
    } catch (problem) {
      if (problem.code !== 'EAGAIN') throw problem;
    }
  }
}

// A message is one line for whoever reads our output: line ends within it are carriage returns.
function asText(level, words) {
  return `${new Date().toISOString()}\t${requestId}\t${level}\t${format(...words)}`.replaceAll('\n', '\r');
}

function asJson(level, words) {
  const said = { timestamp: new Date().toISOString(), level, requestId: requestId === 'undefined' ? undefined : requestId };
  const [first] = words;
  if (words.length === 1 && typeof first === 'object' && first !== null && !(first instanceof Error)) {
    try {
      return JSON.stringify({ ...said, message: first });
    } catch {
      // what refers to itself is shown as text
    }
  }
  said.message = format(...words);
  const problem = words.find((word) => word instanceof Error);
  if (problem) Object.assign(said, { errorType: problem.name, errorMessage: problem.message, stackTrace: (problem.stack ?? '').split('\n') });
  return JSON.stringify(said);
}

export function failure(problem) {
  if (problem instanceof Error || (typeof problem === 'object' && problem !== null && 'stack' in problem)) {
    const trace = (problem.stack ?? '').split('\n');
    const said = { errorType: problem.name ?? 'Error', errorMessage: problem.message ?? '', trace };
    if ('reason' in problem) said.reason = problem.reason instanceof Error ? failure(problem.reason) : problem.reason;
    return said;
  }
  return { errorType: typeof problem, errorMessage: String(problem), trace: [] };
}
