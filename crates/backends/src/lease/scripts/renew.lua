-- Renews a session, late or not.
-- Guarantee: it lives for a lease from now if it was alive; a dead or unknown one is never revived.
-- ARGV: session, lease in milliseconds, node, info
-- Answer: `!` it is dead, `?` it is unknown, else time (8), canary (8), identity of the server
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return '!' end
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return '?' end
return renewed()
