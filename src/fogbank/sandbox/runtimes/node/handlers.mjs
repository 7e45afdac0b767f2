// From "folder/file.name" to a function.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import './streams.mjs';

export async function load(root, name) {
  const folder = path.dirname(name);
  const [file, ...names] = path.basename(name).split('.');
  if (!names.length || !file) throw fault('Runtime.MalformedHandlerName', 'Bad handler');
  if (name.includes('..')) throw fault('Runtime.MalformedHandlerName', `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  const found = await module_(path.resolve(root, folder, file), file);
  let at = found;
  for (const part of names) at = at?.[part];
  if (at === undefined && found.default) {
    at = found.default;
    for (const part of names) at = at?.[part];
  }
  if (at === undefined) throw fault('Runtime.HandlerNotFound', `${name} is undefined or not exported`);
  if (typeof at !== 'function') throw fault('Runtime.HandlerNotFound', `${name} is not a function`);
  return at;
}

async function module_(at, name) {
  const file = ['', '.js', '.mjs', '.cjs'].map((end) => at + end).find((each) => fs.existsSync(each) && fs.statSync(each).isFile());
  try {
    if (!file) return createRequire(pathToFileURL(at + '.js'))(at);
    if (file.endsWith('.mjs') || (file.endsWith('.js') && isModule(path.dirname(file)))) return await import(pathToFileURL(file));
    return createRequire(pathToFileURL(file))(file);
  } catch (problem) {
    if (problem instanceof SyntaxError) throw fault('Runtime.UserCodeSyntaxError', String(problem), problem);
    if (problem?.code === 'MODULE_NOT_FOUND' || problem?.code === 'ERR_MODULE_NOT_FOUND') {
      const message = file ? problem.message : `Cannot find module '${name}'\nRequire stack:\n- /var/runtime/index.mjs`;
      throw fault('Runtime.ImportModuleError', `Error: ${message}`, problem);
    }
    throw problem;
  }
}

// Whether the nearest package.json makes a .js file a module of ECMAScript.
function isModule(folder) {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(at, 'package.json'), 'utf8')).type === 'module';
    } catch {
      if (at === path.dirname(at)) return false;
    }
  }
}

function fault(name, message, cause) {
  const problem = new Error(message);
  problem.name = name;
  problem.stack = cause?.stack ? `${name}: ${message}\n${cause.stack.split('\n').slice(1).join('\n')}` : problem.stack;
  return problem;
}
