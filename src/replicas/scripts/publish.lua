-- Writes down entries about revocations and tells everybody. What was lifted stays lifted, and what
-- is written down already is not told again. Answers who else is there.
local revocations, events, processes = unpack(KEYS)
local process, question, longest, lifted = unpack(ARGV, 1, 4)

for at = 5, #ARGV, 2 do
  local id, entry = ARGV[at], ARGV[at + 1]
  local known = redis.call('HGET', revocations, id)
  if known ~= entry and not (known and string.sub(known, 1, #lifted) == lifted) then
    redis.call('HSET', revocations, id, entry)
    redis.call('XADD', events, 'MAXLEN', '~', longest, '*',
      'kind', 'revocation', 'from', process, 'question', question, 'body', id .. ' ' .. entry)
  end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', processes, '(' .. string.format('%.0f', now), '+inf')
