-- Takes out some of what a dead process has left. Answers whether that was all.
local processes, holdings = KEYS[1], KEYS[2]
local dead, claims, some = ARGV[1], ARGV[2], ARGV[3]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local lease = redis.call('ZSCORE', processes, dead)
if lease and tonumber(lease) > now then
  return 1
end
local left = redis.call('SRANDMEMBER', holdings, some)
for _, holding in ipairs(left) do
  local key, session = string.match(holding, '^(%x+)/(%x+)$')
  if key then
    redis.call('ZREM', claims .. key, dead .. '/' .. session)
  end
  redis.call('SREM', holdings, holding)
end
if redis.call('EXISTS', holdings) == 1 then
  return 0
end
redis.call('ZREM', processes, dead)
return 1
