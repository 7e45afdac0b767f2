-- What Aurora has beside PostgreSQL's own.
\echo Use "create extension aurora_stat_utils" to load this file. \quit

create function pg_catalog.aurora_list_builtins(
  out "Name" text, out "Result data type" text, out "Argument data types" text, out "Type" text, out "Volatility" text,
  out "Parallel" text, out "Security" text
) returns setof record
language sql stable parallel safe as $$
  select p.proname, pg_get_function_result(p.oid), pg_get_function_arguments(p.oid), 'func',
    case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
    case p.proparallel when 's' then 'safe' when 'r' then 'restricted' else 'unsafe' end,
    case when p.prosecdef then 'definer' else 'invoker' end
  from pg_proc as p
  where p.pronamespace = 'pg_catalog'::regnamespace and p.proname like 'aurora\_%'
  order by 1, 3
$$;
