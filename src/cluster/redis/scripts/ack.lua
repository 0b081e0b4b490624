-- An owner that was replaced acknowledges nothing: its successor has the facts.
local token, group = ARGV[1], ARGV[2]
if redis.call('GET', owner) ~= token then return { 'OTHER' } end
local acknowledged = redis.call('XACK', facts, group, unpack(ARGV, 3))
-- There is one group, so nobody else reads them.
redis.call('XDEL', facts, unpack(ARGV, 3))
redis.call('HDEL', marks, unpack(ARGV, 3))
-- An empty stream would stay for ever.
if redis.call('XLEN', facts) == 0 then redis.call('DEL', facts) end
return { 'ACKED', acknowledged }
