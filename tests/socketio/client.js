'use strict';
// A client with the real `socket.io-client`. It goes through a list of steps and prints what comes,
// one JSON array a line.
//
// node client.js URL OPTIONS STEPS
//
// OPTIONS and STEPS are JSON. A step is ["emit", event, ...arguments], ["ask", event, ...arguments] (waits
// for the answer), ["until", event] (waits for an event), ["after", milliseconds], or ["file", bytes].

const { io } = require('socket.io-client');

const [url, options, steps] = process.argv.slice(2);
const say = (...line) => console.log(JSON.stringify(line));
const socket = io(url, { reconnection: false, forceNew: true, ...JSON.parse(options) });

const seen = new Set();
const waiting = new Map();
const came = (event) => {
  seen.add(event);
  waiting.get(event)?.();
};
const until = (event) => seen.has(event) || new Promise((resolve) => waiting.set(event, resolve));

socket.onAny((event, ...args) => {
  say('event', event, ...args);
  came(event);
});
socket.on('connect_error', (error) => {
  say('connect_error', error.description ?? error.message);
  process.exit();
});
socket.on('disconnect', (reason, details) => {
  say('disconnect', reason, details?.context?.code ?? null);
  process.exit();
});

const act = {
  emit: async (event, ...args) => { socket.emit(event, ...args); },
  ask: async (event, ...args) => say('answer', event, await socket.emitWithAck(event, ...args)),
  until: async (event) => until(event),
  after: (time) => new Promise((resolve) => setTimeout(resolve, time)),
  file: async (length) => {
    const sent = Buffer.alloc(length, 7);
    const back = Buffer.from(await socket.emitWithAck('file', sent));
    say('file', back.equals(sent), back.length);
  },
};

socket.on('connect', async () => {
  say('connect');
  for (const [what, ...args] of JSON.parse(steps)) await act[what](...args);
  say('done');
  socket.disconnect();
});
