-- Ends an entry: that of a dead node by its claimer, after everything else; its own by a node that
-- leaves.
local node, slot, claimer = unpack(ARGV)
local held = redis.call('HGET', nodes, node)
if not held then return { 'GONE' } end
local mine = node == claimer and string.sub(held, 1, 1) == 'A'
  or string.sub(held, 1, 1 + #claimer) == 'D' .. claimer
if not mine then return { 'LOST' } end
redis.call('HDEL', nodes, node)
if redis.call('HGET', slots, slot) == node then redis.call('HDEL', slots, slot) end
return { 'FORGOTTEN' }
