-- Takes or keeps the partition for `lease_ms`; 0 gives it back.
local token, lease_ms = unpack(ARGV)
local held = redis.call('GET', owner)
if held and held ~= token then return { 'OTHER' } end
if lease_ms == '0' then
  redis.call('DEL', owner)
  return { 'FREE' }
end
redis.call('SET', owner, token, 'PX', lease_ms)
return { 'MINE' }
