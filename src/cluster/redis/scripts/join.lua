local _, node, channel, member, tag, record, limit, added, added_fact, removed, removed_fact = unpack(ARGV)
limit = tonumber(limit)
local held = redis.call('HMGET', references, member .. node, member, member .. '~')
if held[1] then return { 'SAME', decimal(number) } end
local present = redis.call('HGET', members, member)
if not present and limit > 0 and redis.call('HLEN', members) >= limit then return { 'FULL', decimal(number) } end
local others = tonumber(held[2] or '0')
-- Back from a drained node with other info: it leaves and joins.
local renewed = present and others == 1 and held[3] and string.sub(present, 1, #tag) ~= tag

if renewed then write_fact(removed_fact) end
if renewed or not present then write_fact(added_fact) end

redis.call('HSETNX', incarnations, node, '0')
redis.call('SADD', node_channels, channel)
redis.call('HSET', references, member .. node, '1', member, decimal(others + 1))
redis.call('HINCRBY', state, 'r' .. node, 1)
if renewed then tell('-', removed) end
if renewed or not present then
  redis.call('HSET', members, member, tag .. record)
  tell('+', added)
end
publish()
return { (renewed or not present) and 'FIRST' or 'MORE', decimal(number) }
