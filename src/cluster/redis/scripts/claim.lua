-- An entry is `A<beat>`, or `D<claimer><beat>` once its node is dying. One that stood still for a lease is
-- claimed, of a dying node too: then its claimer has died.
local CLAIMER = 16
local node, seen, claimer = unpack(ARGV)
local held = redis.call('HGET', nodes, node)
if not held then return { 'GONE' } end
local dying = string.sub(seen, 1, 1) == 'D'
local claimed = 'D' .. claimer .. string.sub(seen, dying and 2 + CLAIMER or 2)
if held == claimed then return { 'WON' } end
if held ~= seen then return { 'LOST' } end
redis.call('HSET', nodes, node, claimed)
return { 'WON' }
