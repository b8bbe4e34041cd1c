-- Begins a calm.
-- Guarantee: nobody is declared dead, and no task taken from a missing owner, for two leases. Repeatable.
-- ARGV: lease in milliseconds
keep_calm(tonumber(ARGV[1]))
return 1
