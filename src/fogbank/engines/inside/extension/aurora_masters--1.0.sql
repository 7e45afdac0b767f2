-- One of two writers of a cluster (docs/design/multi-master.md): rows are claimed of the storage nodes, commands are carried to the other.
\echo Use "create extension aurora_masters" to load this file. \quit

create schema aurora_masters;
grant usage on schema aurora_masters to public;

-- The way out: one connection for each session, by dblink's own functions, to the door beside the server's socket.
create function aurora_masters._doors() returns text[] language c parallel restricted as '$libdir/dblink', 'dblink_get_connections';
create function aurora_masters._open(text, text) returns text language c strict parallel restricted as '$libdir/dblink', 'dblink_connect';
create function aurora_masters._close(text) returns text language c strict parallel restricted as '$libdir/dblink', 'dblink_disconnect';
create function aurora_masters._say(text, text, boolean) returns setof record language c strict parallel restricted
as '$libdir/dblink', 'dblink_record';

create function aurora_masters._ask(asked jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  door constant text := 'aurora_masters';
  call constant text := 'select call(' || quote_literal(asked::text) || ')';
  answer jsonb;
begin
  for attempt in 1..2 loop
    if door = any (aurora_masters._doors()) is not true then
      perform aurora_masters._open(door, format(
        'host=''%s'' port=5432 dbname=masters user=masters sslmode=disable gssencmode=disable',
        replace(replace(regexp_replace(btrim(split_part(current_setting('unix_socket_directories'), ',', 1)), '/[^/]+/*$', '') || '/masters',
          '\', '\\'), '''', '\''')
      ));
    end if;
    select said into answer from aurora_masters._say(door, call, false) as (said jsonb);
    exit when answer is not null;
    perform aurora_masters._close(door);
  end loop;
  if answer is null then
    raise exception using errcode = 'cannot_connect_now', message = 'the storage nodes cannot be asked for rows now';
  elsif answer ? 'refused' then
    raise exception using errcode = answer #>> '{refused,code}', message = answer #>> '{refused,message}',
      hint = coalesce(answer #>> '{refused,hint}', '');
  end if;
  return answer;
end $$;
revoke all on all functions in schema aurora_masters from public;

-- Claims rows, by their hashes, for the transaction; `whole`: the table.
create function aurora_masters._claim(own bigint[], parents bigint[], place bigint, whole boolean) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform aurora_masters._ask(jsonb_build_object(
    'do', 'claim', 'transaction', pg_current_xact_id()::text, 'own', own, 'parents', parents, 'table', place, 'whole', whole
  ));
end $$;

-- After each statement: arguments are the query that gathers the keys of its rows, and the table's own key.
create function aurora_masters._wrote() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  own bigint[];
  parents bigint[];
begin
  if session_user = 'rdsadmin' then  -- (a truncation that is applied here; of other changes this is not told)
    return null;
  elsif tg_op = 'TRUNCATE' then
    perform aurora_masters._claim('{}', '{}', tg_argv[0]::bigint, true);
    return null;
  end if;
  execute tg_argv[1] into own, parents;
  if cardinality(parents) > 500000 then
    raise exception using errcode = 'program_limit_exceeded', message = 'a statement refers to too many rows for a multi-master cluster';
  elsif cardinality(own) > 10000 then  -- the whole table
    perform aurora_masters._claim('{}', parents, tg_argv[0]::bigint, true);
  elsif own <> '{}' then
    perform aurora_masters._claim(own, parents, tg_argv[0]::bigint, false);
  end if;
  return null;
end $$;

create function aurora_masters._unkeyed() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception using errcode = 'object_not_in_prerequisite_state',
    message = format('cannot write to table %I: it has no primary key', tg_table_name),
    hint = 'Both writers of a multi-master cluster know a row by its primary key.';
end $$;

-- What an index is known by on both writers.
create function aurora_masters._label(index oid) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('%I.%I(%s)', n.nspname, c.relname,
    (select string_agg(pg_get_indexdef(i.indexrelid, k, true), ',' order by k) from generate_series(1, i.indnkeyatts) as k))
  from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace where i.indexrelid = index
$$;

-- An index's column, as it is hashed: enums by their words, as their numbers differ from one writer to the other.
create function aurora_masters._hashed(index oid, k int, expression text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select '(' || expression || case when 'E' in (t.typcategory, e.typcategory) then ')::text' else ')' end
  from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_type e on e.oid = t.typelem where a.attrelid = index and a.attnum = k
$$;

-- The keys of what a statement wrote, of one of its transition tables.
create function aurora_masters._keys(place oid, rows text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select string_agg(format(
    'select hash_record_extended(row(%s), %s) from %I%s', k.list, hashtextextended(aurora_masters._label(i.indexrelid), 0), rows,
    case when i.indisprimary or i.indnullsnotdistinct then '' else ' where ' || k.present end
  ), ' union ')
  from pg_index i, lateral (
    select string_agg(aurora_masters._hashed(i.indexrelid, k, pg_get_indexdef(i.indexrelid, k, true)), ',' order by k) as list,
      string_agg('(' || pg_get_indexdef(i.indexrelid, k, true) || ') is not null', ' and ' order by k) as present
    from generate_series(1, i.indnkeyatts) as k
  ) as k
  where i.indrelid = place and i.indisunique and i.indisvalid
$$;

-- The rows that new rows refer to.
create function aurora_masters._referred(place oid) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select string_agg(format(
    'select hash_record_extended(row(%s), %s) from fogbank_new where %s', k.list, hashtextextended(aurora_masters._label(f.conindid), 0), k.present
  ), ' union ')
  from pg_constraint f join pg_index i on i.indexrelid = f.conindid, lateral (
    select string_agg(aurora_masters._hashed(f.conindid, o.n::int, format('%I::%s', a.attname, format_type(b.atttypid, b.atttypmod))), ','
        order by o.n) as list,
      string_agg(format('%I is not null', a.attname), ' and ') as present
    from unnest(i.indkey::int2[]) with ordinality as o(attnum, n)
    join unnest(f.conkey, f.confkey) as p(child, parent) on p.parent = o.attnum
    join pg_attribute a on a.attrelid = f.conrelid and a.attnum = p.child
    join pg_attribute b on b.attrelid = f.confrelid and b.attnum = p.parent
  ) as k
  where f.conrelid = place and f.contype = 'f'
$$;

create function aurora_masters._gather(place oid, event text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('select array(%s), array(%s)',
    case event
      when 'insert' then aurora_masters._keys(place, 'fogbank_new')
      when 'delete' then aurora_masters._keys(place, 'fogbank_old')
      else aurora_masters._keys(place, 'fogbank_old') || ' union ' || aurora_masters._keys(place, 'fogbank_new')
    end,
    coalesce(case when event <> 'delete' then aurora_masters._referred(place) end, 'select null::bigint where false'))
$$;

-- A trigger as it should be: made where it is not there, or another. (`always`: no session goes without.)
create function aurora_masters._fit(place regclass, name text, event text, rest text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  wanted constant text := md5(event || rest);
begin
  if exists (
    select from pg_trigger t where t.tgrelid = place and t.tgname = name and t.tgenabled = 'A'
    and obj_description(t.oid, 'pg_trigger') = wanted
  ) then
    return;
  end if;
  execute format('drop trigger if exists %I on %s', name, place);
  execute format('create trigger %I %s on %s %s', name, event, place, rest);
  execute format('comment on trigger %I on %s is %L', name, place, wanted);
  execute format('alter table %s enable always trigger %I', place, name);
end $$;

create function aurora_masters._equip(place regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  named constant bigint := (select hashtextextended(format('%I.%I', n.nspname, c.relname), 1)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = place);
  call constant text := 'for each statement execute function aurora_masters._wrote(%L, %L)';
begin
  if exists (select from pg_index where indrelid = place and indisprimary) then
    execute format('drop trigger if exists fogbank_unkeyed on %s', place);
    perform aurora_masters._fit(place, 'fogbank_insert', 'after insert',
      'referencing new table as fogbank_new ' || format(call, named, aurora_masters._gather(place, 'insert')));
    perform aurora_masters._fit(place, 'fogbank_update', 'after update',
      'referencing old table as fogbank_old new table as fogbank_new ' || format(call, named, aurora_masters._gather(place, 'update')));
    perform aurora_masters._fit(place, 'fogbank_delete', 'after delete',
      'referencing old table as fogbank_old ' || format(call, named, aurora_masters._gather(place, 'delete')));
    perform aurora_masters._fit(place, 'fogbank_truncate', 'after truncate', format(call, named, ''));
  else
    perform aurora_masters._fit(place, 'fogbank_unkeyed', 'before insert or update or delete or truncate',
      'for each statement execute function aurora_masters._unkeyed()');
  end if;
end $$;

-- Which writer this is. Replaced by fogbank: what a function says is not replicated.
create function aurora_masters.number() returns int language sql stable as 'select 1';

-- A sequence gives odd numbers on the first writer, even ones on the second; `beginning`: none below.
create function aurora_masters._halve(sequence regclass, beginning bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  start constant bigint := (select seqstart from pg_sequence where seqrelid = sequence);
begin
  execute format('alter sequence %s increment by 2 start with %s', sequence, start + (start + aurora_masters.number()) % 2);
  perform setval(sequence, beginning + (beginning + aurora_masters.number()) % 2, false);
end $$;

create view aurora_masters._tables as
  select c.oid::regclass as place, c.relpersistence, c.relkind from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'f', 'm') and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema', 'aurora_masters')
  and n.nspname !~ '^pg_toast';

-- Everything as it should be after a command: triggers on tables, what is subscribed to, sequences.
create function aurora_masters._settle() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  one record;
begin
  for one in select * from aurora_masters._tables loop
    if one.relkind <> 'r' or one.relpersistence <> 'p' then
      raise exception using errcode = 'feature_not_supported', message = format('%s cannot be in a multi-master cluster', one.place),
        detail = 'Tables are ordinary ones: not partitioned, unlogged or foreign ones, no materialized views.';
    elsif exists (select from pg_constraint where conrelid = one.place and contype = 'x') then
      raise exception using errcode = 'feature_not_supported', message = 'exclusion constraints are not available in a multi-master cluster';
    elsif exists (select from pg_inherits where one.place in (inhrelid, inhparent)) then
      raise exception using errcode = 'feature_not_supported', message = 'tables that inherit are not available in a multi-master cluster';
    end if;
    perform aurora_masters._equip(one.place);
  end loop;
  insert into pg_subscription_rel (srsubid, srrelid, srsubstate)
    select s.oid, t.place, 'r' from pg_subscription s, aurora_masters._tables t
    where s.subdbid = (select oid from pg_database where datname = current_database())
    and not exists (select from pg_subscription_rel r where r.srsubid = s.oid and r.srrelid = t.place);
  for one in
    select s.seqrelid::regclass as sequence, s.seqincrement, s.seqstart, d.refobjid is not null as owned
    from pg_sequence s left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = s.seqrelid
      and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
    join pg_class c on c.oid = s.seqrelid where c.relpersistence <> 't'
  loop
    if not one.owned or one.seqincrement not in (1, 2) then
      raise exception using errcode = 'feature_not_supported', message = format('sequence %s cannot be in a multi-master cluster', one.sequence),
        detail = 'Sequences are those of serial and identity columns, and go up by one.';
    elsif one.seqincrement = 1 then
      perform aurora_masters._halve(one.sequence, one.seqstart);
    end if;
  end loop;
end $$;

-- A writer that begins as a copy of the other: its sequences go on where those of both left off.
create function aurora_masters._step_over() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  one record;
  last bigint;
  used bigint;
begin
  for one in
    select s.seqrelid::regclass as sequence, d.refobjid::regclass as place, a.attname
    from pg_sequence s join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = s.seqrelid
      and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid join pg_class c on c.oid = s.seqrelid
    where c.relpersistence <> 't'
  loop
    execute format('select last_value from %s', one.sequence) into last;
    execute format('select max(%I) from %s', one.attname, one.place) into used;
    perform aurora_masters._halve(one.sequence, greatest(last, used) + 1);
  end loop;
end $$;

-- Commands that change the schema: each is a row that is replicated, and is carried out where it arrives.
create table aurora_masters.commands (id uuid primary key default gen_random_uuid(), path text not null, command text not null);

create function aurora_masters._carry() returns trigger
language plpgsql as $$
begin
  perform pg_catalog.set_config('search_path', new.path, true);
  execute new.command;
  perform pg_catalog.set_config('search_path', '', true);
  return null;
end $$;
create trigger carry after insert on aurora_masters.commands for each row execute function aurora_masters._carry();
alter table aurora_masters.commands enable replica trigger carry;

create function aurora_masters._ship(tag text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  answer jsonb;
begin
  perform aurora_masters._ask(jsonb_build_object('do', 'schema', 'transaction', pg_current_xact_id()::text, 'wait', false));
  answer := aurora_masters._ask(jsonb_build_object('do', 'command', 'query', current_query(), 'tag', tag, 'stamp', statement_timestamp()));
  insert into aurora_masters.commands (path, command)
    values (current_setting('aurora_masters.path'), answer ->> 'command');
end $$;

create function aurora_masters._hold(tag text, query text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tag = 'REINDEX' or (tag in ('CREATE TABLE AS', 'SELECT INTO') and query ~* '\mtemp(orary)?\M') then
    return;
  elsif tag !~ '^(CREATE|ALTER|DROP) (TABLE|INDEX|SCHEMA|VIEW|TYPE|DOMAIN|FUNCTION|PROCEDURE|ROUTINE|TRIGGER|POLICY|STATISTICS|EXTENSION)$'
    and tag not in ('COMMENT', 'GRANT', 'REVOKE', 'ALTER DEFAULT PRIVILEGES')
  then
    raise exception using errcode = 'feature_not_supported', message = format('%s is not available in a multi-master cluster', tag);
  elsif query ~* '\mconcurrently\M' then
    raise exception using errcode = 'feature_not_supported', message = format('%s CONCURRENTLY is not available in a multi-master cluster', tag);
  elsif query !~* '\mtemp(orary)?\M' then
    perform aurora_masters._ask(jsonb_build_object('do', 'schema', 'transaction', pg_current_xact_id()::text, 'wait', true));
  end if;
end $$;

-- Whether it is our own doing: within these functions, or fogbank's.
create function aurora_masters._command_starts() returns event_trigger
language plpgsql as $$
begin
  if current_user <> 'rdsadmin' and session_user <> 'rdsadmin' then
    perform aurora_masters._hold(tg_tag, current_query());
  end if;
end $$;

create function aurora_masters._command_ends() returns event_trigger
language plpgsql as $$
begin
  if current_user = 'rdsadmin' then
    return;
  elsif session_user <> 'rdsadmin' and tg_tag not like 'DROP %' and tg_tag <> 'REINDEX' then
    if not exists (select from pg_catalog.pg_event_trigger_ddl_commands() where schema_name is distinct from 'pg_temp') then
      return;
    end if;
    perform pg_catalog.set_config('aurora_masters.path', pg_catalog.current_setting('search_path'), true);
    perform aurora_masters._ship(tg_tag);
  end if;
  perform aurora_masters._settle();
end $$;

create function aurora_masters._dropped() returns event_trigger
language plpgsql as $$
begin
  if current_user <> 'rdsadmin' and session_user <> 'rdsadmin' and tg_tag like 'DROP %'
    and exists (select from pg_catalog.pg_event_trigger_dropped_objects() where not is_temporary)
  then
    perform pg_catalog.set_config('aurora_masters.path', pg_catalog.current_setting('search_path'), true);
    perform aurora_masters._ship(tg_tag);
  end if;
end $$;

create function aurora_masters._rewritten() returns event_trigger
language plpgsql as $$
begin
  if pg_catalog.pg_event_trigger_table_rewrite_reason() & 2 <> 0 then
    raise exception using errcode = 'feature_not_supported',
      message = 'a column whose default is another one in each row cannot be added in a multi-master cluster';
  end if;
end $$;

-- Large objects are not replicated.
revoke execute on function pg_catalog.lo_creat(int), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea) from public;

create event trigger aurora_masters_starts on ddl_command_start execute function aurora_masters._command_starts();
create event trigger aurora_masters_ends on ddl_command_end execute function aurora_masters._command_ends();
create event trigger aurora_masters_dropped on sql_drop execute function aurora_masters._dropped();
create event trigger aurora_masters_rewritten on table_rewrite execute function aurora_masters._rewritten();
alter event trigger aurora_masters_starts enable always;
alter event trigger aurora_masters_ends enable always;
alter event trigger aurora_masters_dropped enable always;
alter event trigger aurora_masters_rewritten enable always;

-- How far it is, asked by fogbank. Of transactions: which were committed, which never were; where the log stands after that; how far the
-- other writer has it applied and its log written.
create function aurora_masters._beat(transactions text[], flush boolean)
returns table (committed text[], ended text[], inserted bigint, applied bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  select coalesce(array_agg(t) filter (where s = 'committed'), '{}'), coalesce(array_agg(t) filter (where s is distinct from 'committed'
    and s is distinct from 'in progress'), '{}') into committed, ended
    from (select t, pg_xact_status(t::xid8) as s from unnest(transactions) as t offset 0) as seen;  -- (each is looked at once)
  if flush then
    inserted := pg_logical_emit_message(false, 'aurora_masters', '', true) - '0/0'::pg_lsn;
  else
    inserted := pg_current_wal_insert_lsn() - '0/0'::pg_lsn;
  end if;
  applied := (select flush_lsn - '0/0'::pg_lsn from pg_stat_replication where application_name = 'aurora_masters' limit 1);
  return next;
end $$;

-- Waits until what has been written here so far is durable.
create function aurora_masters._lasting(within interval) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  wanted constant pg_lsn := pg_current_wal_flush_lsn();
  finish constant timestamptz := clock_timestamp() + within;
begin
  while clock_timestamp() < finish loop
    if (select write_lsn from pg_stat_replication where application_name = 'volume') >= wanted then
      return true;
    end if;
    perform pg_sleep(0.0005);
  end loop;
  return false;
end $$;

-- What is applied waits for a row whose owner waits to be acknowledged: two such can wait for each other, so its session is ended.
create function aurora_masters._untangle() returns int
language sql set search_path = pg_catalog, pg_temp as $$
  select count(pg_terminate_backend(b.pid)) from pg_stat_activity w, unnest(pg_blocking_pids(w.pid)) as pid join pg_stat_activity b using (pid)
  where w.backend_type like 'logical replication%' and b.wait_event = 'SyncRep' and b.state_change < clock_timestamp() - interval '2 s'
$$;

revoke all on all functions in schema aurora_masters from public;
grant execute on function aurora_masters._claim(bigint[], bigint[], bigint, boolean), aurora_masters._ship(text),
  aurora_masters._hold(text, text), aurora_masters._settle(), aurora_masters._carry(), aurora_masters._wrote(), aurora_masters._unkeyed()
  to public;
