#!lua
-- A value is `<at_ms>:<sealed>`. A revocation that was held up does not replace a later one. Each write
-- takes away some that have expired, while there are many of them.
local SAMPLE = 5
local revocations = KEYS[1]
local field, at_ms, sealed, lifetime_ms, most = unpack(ARGV)
local time = redis.call('TIME')
local oldest = time[1] * 1000 + math.floor(time[2] / 1000) - lifetime_ms
local function at(value)
  return tonumber(string.match(value, '^(%d+):') or '0')
end
local held = redis.call('HGET', revocations, field)
if held and at(held) >= tonumber(at_ms) then return { 'HELD' } end
local sample = redis.call('HRANDFIELD', revocations, SAMPLE, 'WITHVALUES')
for place = 1, #sample, 2 do
  if at(sample[place + 1]) < oldest then redis.call('HDEL', revocations, sample[place]) end
end
if not held and redis.call('HLEN', revocations) >= tonumber(most) then return { 'FULL' } end
redis.call('HSET', revocations, field, at_ms .. ':' .. sealed)
return { 'KEPT' }
