-- Tells everybody something. Answers who else is there.
local events, processes = unpack(KEYS)
local process, question, longest, kind, body = unpack(ARGV)

redis.call('XADD', events, 'MAXLEN', '~', longest, '*',
  'kind', kind, 'from', process, 'question', question, 'body', body)

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', processes, '(' .. string.format('%.0f', now), '+inf')
