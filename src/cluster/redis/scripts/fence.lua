-- A buried node changes nothing more. Its reaper acts in its name, and passes the fence.
if ARGV[1] == '0' and redis.call('EXISTS', tombstone) == 1 then return { 'FENCED' } end
