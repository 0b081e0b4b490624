local _, node, channel, member, removed, removed_fact, linger_ms = unpack(ARGV)
linger_ms = tonumber(linger_ms)
local held = redis.call('HMGET', references, member .. node, member, member .. '~')
if not held[1] then return { 'NONE', decimal(number) } end
local left = tonumber(held[2]) - 1
local lingers = linger_ms > 0 and (left == 0 or left == 1 and held[3])

if left == 0 and not lingers then write_fact(removed_fact) end

redis.call('HDEL', references, member .. node)
if redis.call('HINCRBY', state, 'r' .. node, -1) <= 0 then
  redis.call('HDEL', state, 'r' .. node)
  if redis.call('HEXISTS', state, 's' .. node) == 0 then redis.call('SREM', node_channels, channel) end
end
if lingers then
  redis.call('HSET', references, member .. '~', '1', member, '1')
  linger_until('m' .. channel .. member, linger_ms)
  return { 'LINGERS', decimal(number) }
end
if left > 0 then
  redis.call('HSET', references, member, decimal(left))
  return { 'OTHERS', decimal(number) }
end
redis.call('HDEL', references, member)
redis.call('HDEL', members, member)
tell('-', removed)
drop_if_empty()
publish()
return { 'LAST', decimal(number) }
