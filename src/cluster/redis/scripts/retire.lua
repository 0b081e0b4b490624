-- Takes a node out of the partition, after all that it had. A reaper that dies before this is
-- followed by another one.
local node = ARGV[1]
local left = redis.call('SCARD', node_channels)
if left > 0 then return { 'LEFT', left } end
redis.call('HDEL', incarnations, node)
redis.call('HDEL', appends, node)
return { 'RETIRED' }
