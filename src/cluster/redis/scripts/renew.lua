-- The same event, sealed anew: its number and time stay, and nobody is told.
local expected, blob = unpack(ARGV)
local stored, sent_ms = stored_head()
if stored ~= expected then return { 'CHANGED' } end
redis.call('SET', last_event, stored .. ':' .. sent_ms .. ':' .. blob, 'KEEPTTL')
return { 'RENEWED' }
