-- The places of one user on one device type, in the order in which they were taken.
--
-- reserve  keeps a place, or tells whether there would be one
-- take     takes it; the oldest make room
-- restore  writes down a place that a living session has had all the while
--
-- All may come twice for the same session. Answers: `ok` and whom of the caller's own process it has
-- to close, `taken`, or `often` and in how many milliseconds to come again.
local claim, processes, holdings, replaced, events = unpack(KEYS)
local operation, process, session, on_conflict, key = unpack(ARGV, 1, 5)
local limit, count, per = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local since, longest = tonumber(ARGV[9]), ARGV[10]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me = process .. '/' .. session

-- Whoever has not been heard of for too long holds nothing any more.
local is_living = { [process] = true }
local function lives(other)
  if is_living[other] == nil then
    local lease = redis.call('ZSCORE', processes, other)
    is_living[other] = lease and tonumber(lease) > now or false
  end
  return is_living[other]
end

local others, last, is_here = 0, 0, false
local holders = redis.call('ZRANGE', claim, 0, -1, 'WITHSCORES')
for at = 1, #holders, 2 do
  local holder = holders[at]
  local owner = string.match(holder, '^(%x+)/%x+$')
  if holder == me then
    is_here = true
  elseif owner and lives(owner) then
    others = others + 1
    last = tonumber(holders[at + 1])
  else
    redis.call('ZREM', claim, holder)
  end
end

local surplus = others + 1 - limit
if operation ~= 'restore' then
  if is_here then
    return { 'ok' }
  end
  if surplus > 0 and on_conflict == 'reject' then
    return { 'taken' }
  end
  if surplus > 0 then
    local first = redis.call('LINDEX', replaced, 0)
    while first and tonumber(first) + per <= now do
      redis.call('LPOP', replaced)
      first = redis.call('LINDEX', replaced, 0)
    end
    if first and redis.call('LLEN', replaced) >= count then
      return { 'often', tonumber(first) + per - now }
    end
  end
  if operation == 'reserve' and on_conflict == 'replace' then
    return { 'ok' }
  end
end

if not is_here then
  -- Later than all others, whatever the clock says.
  local score = operation == 'restore' and since or math.max(now, last + 1)
  redis.call('ZADD', claim, string.format('%.0f', score), me)
end
redis.call('SADD', holdings, key .. '/' .. session)

local answer = { 'ok' }
if surplus > 0 then
  for _, holder in ipairs(redis.call('ZRANGE', claim, 0, surplus - 1)) do
    local owner, evicted = string.match(holder, '^(%x+)/(%x+)$')
    redis.call('ZREM', claim, holder)
    -- Told to its owner even if that is the caller, who may not wait for this answer any more.
    redis.call('XADD', events, 'MAXLEN', '~', longest, '*',
      'kind', 'replaced', 'from', process, 'question', '', 'body', holder)
    if owner == process then
      redis.call('SREM', holdings, key .. '/' .. evicted)
      answer[#answer + 1] = evicted
    end
  end
  if operation == 'take' then
    redis.call('RPUSH', replaced, string.format('%.0f', now))
    redis.call('PEXPIRE', replaced, per)
  end
end
return answer
