#!lua
-- Adds undelivered webhooks of an app. `n` in `claims` is the last number that was given out.
local letters, claims = unpack(KEYS)
local most = tonumber(ARGV[1])
if redis.call('XLEN', letters) + #ARGV - 1 > most then return { 'FULL' } end
for at = 2, #ARGV do
  local number = redis.call('HINCRBY', claims, 'n', 1)
  redis.call('XADD', letters, number .. '-0', 'l', ARGV[at])
end
return { 'WRITTEN', redis.call('XLEN', letters) }
