-- A sign of life. Answers whether the last one still counted, and somebody who has long been silent.
local processes = KEYS[1]
local process, lease, silence = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local known = redis.call('ZSCORE', processes, process)
redis.call('ZADD', processes, string.format('%.0f', now + lease), process)
local silent = redis.call('ZRANGEBYSCORE', processes, '-inf',
  string.format('%.0f', now - silence), 'LIMIT', 0, 1)
return { known and tonumber(known) > now and 1 or 0, silent[1] or '' }
