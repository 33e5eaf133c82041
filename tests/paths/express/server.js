'use strict';
// The routes of routes.rs as an application writes them for Express: the first that fits answers,
// and every setting has its default (case does not matter, nor does a slash at the end).
//
// node server.js PACKAGE=HOST:PORT...

function application(express) {
  const app = express();
  // Route, what the gate says, the target as it came, the path that was matched.
  const answer = (route) => (request, response) => {
    const path = request.baseUrl + request.path;
    response.type('text/plain').send(
      [route, request.get('x-route') ?? '', request.originalUrl, path].join('\n'),
    );
  };
  app.all('/actuator/health', answer('health'));
  app.all('/ws', answer('ws'));
  app.all('/chatHub', answer('hub'));
  app.all('/socket.io/', answer('socket'));
  app.use('/openapi/admin', answer('openapi-admin'));
  app.use('/openapi', answer('openapi'));
  app.all('/public/private', answer('private'));
  app.use('/public', answer('public'));
  app.all('/files/:id/meta', answer('meta'));
  app.use('/files', answer('files'));
  app.all('/mail/post@office', answer('post-office'));
  app.use('/mail', answer('mail'));
  app.all('/shop/a\\+b', answer('paid'));
  app.use('/shop', answer('shop'));
  app.all('/:org/:app/token', answer('token'));
  app.use('/:org/:app/users', answer('users'));
  app.use(answer('site'));
  return app;
}

for (const server of process.argv.slice(2)) {
  const [name, address] = server.split('=');
  const [host, port] = address.split(':');
  const listening = application(require(name)).listen(Number(port), host);
  // The test keeps its connections for as long as it runs.
  listening.keepAliveTimeout = 600_000;
}
