#!lua
-- Takes letters for a replay, so that no other node replays them meanwhile. Returns those taken.
local letters, claims = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local claimed = {}
for at = 2, #ARGV do
  local id = ARGV[at]
  local until_ms = tonumber(redis.call('HGET', claims, 'u' .. id) or '0')
  if until_ms <= now and #redis.call('XRANGE', letters, id .. '-0', id .. '-0') == 1 then
    redis.call('HSET', claims, 'u' .. id, string.format('%.0f', now + ARGV[1]))
    claimed[#claimed + 1] = id
  end
end
return { 'CLAIMED', claimed }
