'use strict';
// A strict implementation that echoes whatever it gets, as a server or as the client of a suite.
//
// node peer.js serve HOST:PORT
// node peer.js drive ws://HOST:PORT/?QUERY

const { WebSocket, WebSocketServer } = require('ws');

// The cases have messages of 16 MiB in frames of 64 bytes.
const unlimited = { maxPayload: 0, maxFragments: 0, maxBufferedChunks: 0 };
const options = { ...unlimited, perMessageDeflate: { threshold: 0 } };

function echo(socket) {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
  // A fault of the other side is answered by the library; there is nothing to add.
  socket.on('error', () => {});
}

function serve(address) {
  const [host, port] = address.split(':');
  new WebSocketServer({ ...options, host, port: Number(port) }).on('connection', echo);
}

// Visits the pages of a suite one after the other, each over a connection of its own.
async function drive(base) {
  const visit = (page, query, onMessage) => new Promise((resolve) => {
    const url = new URL(base);
    url.pathname = page;
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const socket = new WebSocket(url, options);
    if (onMessage) socket.on('message', onMessage);
    else echo(socket);
    socket.on('error', () => {});
    socket.on('close', resolve);
  });
  let cases = 0;
  await visit('/getCaseCount', {}, (data) => { cases = Number(data); });
  for (let number = 1; number <= cases; number++) {
    await visit('/runCase', { case: number, agent: 'peer' });
  }
  await visit('/updateReports', { agent: 'peer' });
}

const [mode, where] = process.argv.slice(2);
if (mode === 'serve') serve(where);
else drive(where);
