#!lua flags=allow-oom
-- Takes away those that have expired. One of them may have been written anew since it was read.
local revocations = KEYS[1]
local time = redis.call('TIME')
local oldest = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[1]
for place = 2, #ARGV do
  local held = redis.call('HGET', revocations, ARGV[place])
  if held and tonumber(string.match(held, '^(%d+):') or '0') < oldest then
    redis.call('HDEL', revocations, ARGV[place])
  end
end
return { 'FORGOTTEN' }
