// node asl-run.mjs DEFINITION FUNCTIONS BOOTSTRAP SPEED <inputs.jsonl >outputs.jsonl
//
// Runs a state machine by aws-local-stepfunctions, and its functions as Lambda runs a
// custom runtime: BOOTSTRAP is started for each function that is called, asks this
// program for its next event by the Runtime API, and stays for the next one; a call
// while all are busy starts another.  FUNCTIONS is JSON: {"Name": {"handler", "env"}},
// for a Resource of ${Name}.  Waits of Retry are SPEED times shorter.
//
// One line for each execution: {"output"} or {"error", "cause"}; each call of a state is
// a line on standard error: the state, then ok or the error's name.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { StateMachine } from 'aws-local-stepfunctions';

const [definitionFile, functionsFile, bootstrap, speed] = process.argv.slice(2);
const functions = JSON.parse(readFileSync(functionsFile, 'utf8'));
const definition = JSON.parse(readFileSync(definitionFile, 'utf8').replace(
  /\$\{(\w+)\}/g, 'arn:aws:lambda:us-east-1:123456789012:function:$1'));
const instances = [];

class FunctionError extends Error {
  constructor(name, cause) { super(cause); this.name = name; }
}

const runtime = createServer((request, response) => {
  const [, number, , , ...path] = request.url.split('/');
  const instance = instances[number], chunks = [];
  request.on('data', chunk => chunks.push(chunk));
  request.on('end', () => {
    if (path[0] === 'invocation' && path[1] === 'next') {
      instance.waiting = response;
      return hand(instance);
    }
    response.writeHead(202).end();
    const { call } = instance, body = Buffer.concat(chunks).toString('utf8');
    delete instance.call;
    if (path.at(-1) === 'response') {
      try {
        call?.resolve(JSON.parse(body));
      } catch (e) {
        call?.reject(new FunctionError('Runtime.MarshalError', e.message));
      }
    } else {
      call?.reject(new FunctionError(JSON.parse(body).errorType, body));
    }
  });
});

function hand(instance) {
  const { call, waiting } = instance;
  if (!call || !waiting || call.handed) return;
  call.handed = true;
  delete instance.waiting;
  waiting.writeHead(200, { 'Lambda-Runtime-Aws-Request-Id': `r${++runtime.calls}`,
    'Lambda-Runtime-Trace-Id': 'Root=1-0-0', 'Content-Type': 'application/json' });
  waiting.end(call.event);
}

function start(name) {
  const { handler, env } = functions[name], number = instances.length;
  const child = spawn(bootstrap, [handler], { stdio: ['ignore', 'ignore', 'inherit'], detached: true,
    env: { ...process.env, ...env,
      AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${runtime.address().port}/${number}` } });
  const instance = { name, child };
  child.on('exit', () => {
    instance.gone = true;
    instance.call?.reject(new FunctionError('Runtime.ExitError', 'the runtime ended'));
  });
  child.on('error', () => {});
  instances.push(instance);
  return instance;
}

function invoke(name, input) {
  const instance = instances.find(i => i.name === name && !i.call && !i.gone) ?? start(name);
  return new Promise((resolve, reject) => {
    instance.call = { resolve, reject, event: JSON.stringify(input) };
    hand(instance);
  });
}

const handlers = {};
function visit({ States }) {
  for (const [state, s] of Object.entries(States)) {
    if (s.Type === 'Task') handlers[state] = async input => {
      try {
        const output = await invoke(s.Resource.split(':').at(-1), input);
        console.error(`state ${state} ok`);
        return output;
      } catch (e) {
        console.error(`state ${state} ${e.name}`);
        throw e;
      }
    };
    for (const r of s.Retry ?? []) r.IntervalSeconds /= speed;
    if (s.ItemProcessor) visit(s.ItemProcessor);
  }
}
const machine = new StateMachine(definition);	// validated as it is, then changed
visit(definition);
runtime.calls = 0;
await new Promise(done => runtime.listen(0, '127.0.0.1', done));
for await (const line of createInterface({ input: process.stdin })) {
  const execution = machine.run(JSON.parse(line), {
    overrides: { taskResourceLocalHandlers: handlers } });
  try {
    console.log(JSON.stringify({ output: await execution.result }));
  } catch (e) {
    console.log(JSON.stringify({ error: e.cause?.name ?? e.name, cause: e.cause?.message ?? e.message }));
  }
}
for (const { child, gone } of instances) if (!gone) process.kill(-child.pid);
runtime.closeAllConnections();
runtime.close();
