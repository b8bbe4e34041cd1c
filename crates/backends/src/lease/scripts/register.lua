-- Makes a session known.
-- Guarantee: it lives for a lease from now unless it was declared dead, which is for good. Repeatable.
-- ARGV: session, lease in milliseconds, node, info
-- Answer: `!` it is dead, else time (8), canary (8), identity of the server
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return '!' end
return renewed()
