-- Queries over one large table that are evaluated beside the storage, and not by the writer.
\echo Use "create extension aurora_parallel" to load this file. \quit

create schema aurora_parallel;

-- The way out. Who calls is a column's default, evaluated as the caller: nobody may say another one, as only the other columns are granted.
create view aurora_parallel._calls as select null::text as act, null::text as sql, null::jsonb as session, null::name as caller, null::jsonb as answer;
alter view aurora_parallel._calls alter column caller set default current_user;
grant insert (act, sql, session), select (answer) on aurora_parallel._calls to public;

create function aurora_parallel._call() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  new.answer := aws_commons._call('Parallel', jsonb_build_object(
    'do', new.act, 'sql', new.sql, 'session', new.session, 'user', new.caller, 'database', current_database(),
    'position', pg_current_wal_flush_lsn()
  ));
  return new;
end $$;
create trigger call instead of insert on aurora_parallel._calls for each row execute function aurora_parallel._call();

-- What the storage side makes of a query: {"why": ...} where it is not split.
create function aurora_parallel._ask(act text, sql text) returns jsonb
language plpgsql as $$
declare
  said jsonb;
  why constant text := case
    when pg_catalog.pg_is_in_recovery() then 'it is asked on a reader'
    when pg_catalog.pg_current_xact_id_if_assigned() is not null then 'the transaction has written, and nobody else sees that yet'
    when pg_catalog.current_setting('transaction_read_only') = 'on' then 'the transaction is read only'
    when pg_catalog.current_setting('transaction_isolation') <> 'read committed' then 'the transaction sees an earlier state'
  end;
begin
  if why is not null then
    return pg_catalog.jsonb_build_object('why', why);
  end if;
  insert into aurora_parallel._calls (act, sql, session) values (act, sql, pg_catalog.jsonb_build_object(
    'now', pg_catalog.now(),
    'settings', (
      select pg_catalog.jsonb_object_agg(s.name, s.setting) from pg_catalog.pg_settings as s
      where s.context = 'user' and s.source in ('client', 'user', 'database', 'database user', 'session')
      and s.name not in ('client_encoding', 'application_name') and s.name not like '%transaction%'
    ),
    'temporary', (select pg_catalog.jsonb_agg(c.relname) from pg_catalog.pg_class as c where c.relnamespace = pg_catalog.pg_my_temp_schema())
  )) returning answer into said;
  return said;
end $$;

-- The rows of a query, of the types that it has: `select * from aurora_parallel.query('select a, count(*) ...') as t (a int, n bigint)`.
create function aurora_parallel.query(sql text) returns setof record
language plpgsql as $$
declare
  answer constant jsonb := aurora_parallel._ask('query', sql);
begin
  if answer ? 'final' then
    return query execute answer ->> 'final' using answer -> 'rows';
  else
    return query execute sql;
  end if;
end $$;

-- What `query` does with it: a row for each zone (it runs there); or one that says why it runs on the writer (where it is not run).
create function aurora_parallel.explain(sql text)
returns table (split boolean, why text, zone text, part text, blocks bigint, rows_scanned bigint, rows_shipped bigint)
language plpgsql as $$
declare
  answer constant jsonb := aurora_parallel._ask('explain', sql);
begin
  if answer ? 'why' then
    return query select false, answer ->> 'why', null::text, null::text, null::bigint, null::bigint, null::bigint;
  else
    return query select true, null::text, z.* from pg_catalog.jsonb_to_recordset(answer -> 'zones')
      as z (zone text, part text, blocks bigint, rows_scanned bigint, rows_shipped bigint);
  end if;
end $$;

select aws_commons._hand('aurora_parallel', $owner$@extowner@$owner$);
