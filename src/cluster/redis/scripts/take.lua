-- Reads facts as the owner: `after` is an entry for those that were read and not acknowledged, or > for
-- new ones. Without a fact there is no stream, and no group.
local token, group, after, most = unpack(ARGV)
if redis.call('GET', owner) ~= token then return { 'OTHER' } end
if redis.call('EXISTS', facts) == 0 then return { 'FACTS', {} } end

local read = { 'XREADGROUP', 'GROUP', group, 'owner', 'COUNT', most, 'STREAMS', facts, after }
local taken = redis.pcall(unpack(read))
if taken and taken.err then
  redis.call('XGROUP', 'CREATE', facts, group, '0')
  taken = redis.call(unpack(read))
end
return { 'FACTS', taken and taken[1][2] or {} }
