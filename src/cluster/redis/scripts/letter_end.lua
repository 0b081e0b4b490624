#!lua flags=allow-oom
-- Ends claims. `remove`: the letters have arrived. `keep`: they stay. `discard` removes those that are not
-- claimed.
local letters, claims = unpack(KEYS)
local how = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gone, under_way = 0, 0
for at = 2, #ARGV do
  local id = ARGV[at]
  local is_claimed = tonumber(redis.call('HGET', claims, 'u' .. id) or '0') > now
  if how == 'discard' and is_claimed then
    under_way = under_way + 1
  else
    if how ~= 'keep' then gone = gone + redis.call('XDEL', letters, id .. '-0') end
    redis.call('HDEL', claims, 'u' .. id)
  end
end
return { 'ENDED', gone, under_way, redis.call('XLEN', letters) }
