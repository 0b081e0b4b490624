-- A node that is forgotten announces everything, whether or not the first answer reached it. So it is known
-- by the number of its announcement, and not by a mere entry.
local _, node, known, announcement = unpack(ARGV)
if redis.call('HGET', incarnations, node) == known then return { 'HERE' } end
redis.call('HSET', incarnations, node, announcement)
return { 'NEW' }
