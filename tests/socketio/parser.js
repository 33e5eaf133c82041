'use strict';
// What engine.io-parser and socket.io-parser make of texts: one JSON string a line comes in, one
// JSON object a line goes out, or null where there is no event in it.

const { createInterface } = require('node:readline');
const { decodePacket } = require('engine.io-parser');
const { Decoder } = require('socket.io-parser');

function read(text) {
  const outer = decodePacket(text, 'nodebuffer');
  if (outer.type !== 'message' || typeof outer.data !== 'string') return null;
  const decoder = new Decoder();
  let packet = null;
  decoder.on('decoded', (decoded) => { packet = decoded; });
  try {
    decoder.add(outer.data);
  } catch {
    return null;
  }
  // One with attachments is complete when they have come.
  packet ??= decoder.reconstructor?.reconPack ?? null;
  if (!Array.isArray(packet?.data) || ![2, 5].includes(packet.type)) return null;
  const { type, nsp, id = null, data } = packet;
  return { type, nsp, id, data };
}

createInterface({ input: process.stdin }).on('line', (line) => {
  console.log(JSON.stringify(read(JSON.parse(line))));
});
