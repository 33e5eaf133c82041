'use strict';
// A chat server with Socket.IO, as IMKIT's clients expect it: everybody may connect, and says who
// they are afterwards. What it hears it prints, one JSON array a line.
//
// node server.js PORT

const { Server } = require('socket.io');

const say = (...line) => console.log(JSON.stringify(line));
const port = Number(process.argv[2]);
const io = new Server({ pingInterval: 300, pingTimeout: 5000, perMessageDeflate: true });

io.on('connection', (socket) => {
  say('connection', socket.handshake.headers['x-auth-subject'] ?? null);
  socket.emit('announcement', 'for members');
  socket.on('conf', ({ encoding }, ack) => {
    socket.data.pack = encoding === 'base64'
      ? (answer) => Buffer.from(JSON.stringify(answer)).toString('base64')
      : undefined;
    ack?.('ok');
  });
  socket.on('auth2', (token, headers, ack) => {
    say('auth2', token.length, Object.keys(headers));
    const answer = { RC: 0, RM: 'OK' };
    ack?.(socket.data.pack ? socket.data.pack(answer) : answer);
  });
  socket.on('chat message', (text) => {
    say('chat message', text);
    socket.emit('chat message', `echo: ${text}`);
  });
  socket.on('file', (bytes, ack) => ack(bytes));
  socket.on('disconnect', (reason) => say('disconnect', reason));
});
io.listen(port);
