-- Tables from objects in S3, and objects from queries.
--
-- A COPY of a file takes a superuser, who must not run anything of the caller's (triggers, casts, views). So an object is copied into a
-- temporary table of text, and inserted from there by the caller; and a query's rows go into a temporary table by the caller, and are
-- copied from there. Between the database and S3 is a file of the server's, which this backend makes and the service only fills or reads.
\echo Use "create extension aws_s3" to load this file. \quit

create schema aws_s3;

-- The options of COPY, checked word by word. `allowed`: their names.
create function aws_s3._options(options text, allowed text[]) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  literal constant text := '(?:[eE]''(?:[^''\\]|''''|\\.)*''|''(?:[^'']|'''')*''|\$\$[^$]*\$\$)';
  named constant text := '(?:[a-zA-Z_][a-zA-Z0-9_]*|"(?:[^"]|"")+")';
  listed constant text := '\(\s*' || named || '(?:\s*,\s*' || named || ')*\s*\)';
  item constant text := '[a-zA-Z_]+(?:\s+(?:[a-zA-Z0-9_-]+|\*)|\s*' || literal || '|\s*' || listed || ')?';
  old constant text := '(?:with|csv|header|delimiter|null|as|quote|escape|encoding|' || literal || ')';
  given text := btrim(coalesce(options, ''), E' \n\r\t');
  bare text;
  word text;
begin
  if given = '' then
    return '';
  end if;
  given := regexp_replace(given, '^with\s*(?=\()', '', 'i');
  if given ~ '^\(' and given ~ '\)$' then
    given := btrim(substr(given, 2, length(given) - 2), E' \n\r\t');
  elsif given ~* ('^' || old || '(?:\s+' || old || ')+$|^csv$') and not given ~* ('^(?:' || array_to_string(allowed, '|') || ')\s*' || literal || '$') then
    return given;
  end if;
  if not given ~ ('^' || item || '(?:\s*,\s*' || item || ')*$') then
    raise exception using errcode = 'syntax_error', message = format('syntax error in the options of COPY: %s', options);
  end if;
  bare := regexp_replace(regexp_replace(given, literal, '?', 'g'), '\([^)]*\)', '?', 'g');
  for word in select lower(btrim(substring(part from '^\s*[a-zA-Z_]+'))) from unnest(string_to_array(bare, ',')) as part loop
    if not word = any (allowed) then
      raise exception using errcode = 'feature_not_supported', message = format('Fogbank does not implement the option %s of COPY here', upper(word));
    end if;
  end loop;
  return '(' || given || ')';
end $$;

-- Who called: the role that was set, else the session's user. Raises unless they may use one of these functions.
create function aws_s3._check(variadic functions text[]) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
  one text;
begin
  foreach one in array functions loop
    if has_schema_privilege(caller, 'aws_s3', 'usage') and has_function_privilege(caller, one, 'execute') then
      return;
    end if;
  end loop;
  raise exception using errcode = 'insufficient_privilege', message = 'permission denied for ' || functions[1];
end $$;

-- This backend's file, empty.
create function aws_s3._file() returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  file text := current_setting('data_directory') || '/pg_stat_tmp/aws_s3.' || pg_backend_pid();
begin
  execute format('copy (select 1 where false) to %L', file);
  return file;
end $$;

-- Copies an object into a new temporary table of text.
create function aws_s3._fetch(
  columns text[], options text, bucket text, file_path text, region text, out staging text, out rows bigint, out bytes bigint
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  kind constant text := coalesce(substring(lower(options) from 'format\s+''?([a-z]+)'), 'text');
  checked text := aws_s3._options(
    options, array['format', 'delimiter', 'null', 'header', 'quote', 'escape', 'force_not_null', 'force_null', 'encoding']
  );
  file text;
begin
  perform aws_s3._check(
    'aws_s3.table_import_from_s3(text, text, text, text, text, text, text, text, text)',
    'aws_s3.table_import_from_s3(text, text, text, aws_commons._s3_uri_1, aws_commons._aws_credentials_1)'
  );
  if kind not in ('text', 'csv') then
    raise exception using errcode = 'feature_not_supported', message = format('Fogbank does not implement aws_s3.table_import_from_s3 of %s', kind);
  end if;
  staging := 'aws_s3_' || replace(gen_random_uuid()::text, '-', '');
  execute format('create temp table %I (%s) on commit drop', staging, (select string_agg(format('%I text', one), ', ' order by n)
    from unnest(columns) with ordinality as t(one, n)));
  file := aws_s3._file();
  begin
    bytes := aws_commons._call('s3Import', jsonb_build_object(
      'do', 'get', 'file', file, 'bucket', bucket, 'key', file_path, 'region', region
    )) ->> 'bytes';
    execute format('copy pg_temp.%I from %L %s', staging, file, checked);
    get diagnostics rows = row_count;
  exception when others then
    perform aws_s3._file();
    raise;
  end;
  perform aws_s3._file();
  execute format('grant select on pg_temp.%I to public', staging);
end $$;

create function aws_s3._drop(staging text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if staging ~ '^aws_s3_[0-9a-f]{32}$' then
    execute format('drop table if exists pg_temp.%I', staging);
  end if;
end $$;

-- Sends a temporary table to S3.
create function aws_s3._send(
  staging text, options text, bucket text, file_path text, region text, kms_key text, out rows bigint, out bytes bigint
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  checked text := aws_s3._options(
    options, array['format', 'delimiter', 'null', 'header', 'quote', 'escape', 'force_quote', 'encoding']
  );
  file text;
begin
  perform aws_s3._check(
    'aws_s3.query_export_to_s3(text, text, text, text, text, text)',
    'aws_s3.query_export_to_s3(text, aws_commons._s3_uri_1, text, text)'
  );
  if not exists (select from pg_class where relnamespace = pg_my_temp_schema() and relname = staging and relkind = 'r') then
    raise exception using errcode = 'undefined_table', message = format('there is no temporary table %s', staging);
  end if;
  file := aws_s3._file();
  begin
    execute format('copy pg_temp.%I to %L %s', staging, file, checked);
    get diagnostics rows = row_count;
    bytes := aws_commons._call('s3Export', jsonb_build_object(
      'do', 'put', 'file', file, 'bucket', bucket, 'key', file_path, 'region', region, 'kms_key', kms_key
    )) ->> 'bytes';
  exception when others then
    perform aws_s3._file();
    raise;
  end;
  perform aws_s3._file();
end $$;

-- Imports an object into a table, as the caller.
create function aws_s3.table_import_from_s3(
  table_name text, column_list text, options text, bucket text, file_path text, region text,
  access_key text default null, secret_key text default null, session_token text default null
) returns text
language plpgsql as $$
declare
  target regclass := table_name::regclass;
  columns text[];
  said text;
  staged record;
begin
  if access_key is not null then
    raise exception using errcode = 'feature_not_supported',
      message = 'Fogbank does not implement aws_s3.table_import_from_s3 with credentials', hint = 'Associate an IAM role with the feature s3Import.';
  end if;
  if not pg_catalog.has_any_column_privilege(target, 'insert') then
    raise exception using errcode = 'insufficient_privilege', message = pg_catalog.format('permission denied for table %s', target);
  end if;
  if pg_catalog.btrim(coalesce(column_list, '')) = '' then
    columns := array(select attname::text from pg_catalog.pg_attribute
      where attrelid = target and attnum > 0 and not attisdropped and attgenerated = '' order by attnum);
  else
    columns := array(select (pg_catalog.parse_ident(one))[1] from pg_catalog.unnest(pg_catalog.string_to_array(column_list, ',')) as one);
  end if;
  select * into staged from aws_s3._fetch(columns, options, bucket, file_path, region);
  select pg_catalog.string_agg(
    case when a.attname is null or a.atttypid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) then pg_catalog.quote_ident(one)
    else pg_catalog.format('%I::%s', one, pg_catalog.format_type(a.atttypid, a.atttypmod)) end, ', ' order by n)
  into said
  from pg_catalog.unnest(columns) with ordinality as t(one, n)
  left join pg_catalog.pg_attribute as a on a.attrelid = target and a.attname = one and a.attnum > 0;
  execute pg_catalog.format('insert into %s (%s) overriding system value select %s from pg_temp.%I', target,
    (select pg_catalog.string_agg(pg_catalog.quote_ident(one), ', ' order by n) from pg_catalog.unnest(columns) with ordinality as t(one, n)),
    said, staged.staging);
  perform aws_s3._drop(staged.staging);
  return pg_catalog.format('%s rows imported into relation "%s" from file %s of %s bytes', staged.rows, table_name, file_path, staged.bytes);
end $$;

create function aws_s3.table_import_from_s3(
  table_name text, column_list text, options text, s3_info aws_commons._s3_uri_1, credentials aws_commons._aws_credentials_1 default null
) returns text
language sql as 'select aws_s3.table_import_from_s3(
  table_name, column_list, options, (s3_info).bucket, (s3_info).file_path, (s3_info).region,
  (credentials).access_key, (credentials).secret_key, (credentials).session_token
)';

-- Exports a query's rows to an object, as the caller.
create function aws_s3.query_export_to_s3(
  query text, bucket text, file_path text, region text default null, options text default null, kms_key text default null,
  out rows_uploaded bigint, out files_uploaded bigint, out bytes_uploaded bigint
)
language plpgsql as $$
declare
  staging text := 'aws_s3_' || pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', '');
  sent record;
begin
  execute pg_catalog.format('create temp table %I on commit drop as %s', staging, query);
  select * into sent from aws_s3._send(staging, options, bucket, file_path, region, kms_key);
  execute pg_catalog.format('drop table pg_temp.%I', staging);
  rows_uploaded := sent.rows;
  files_uploaded := 1;
  bytes_uploaded := sent.bytes;
end $$;

create function aws_s3.query_export_to_s3(
  query text, s3_info aws_commons._s3_uri_1, options text default null, kms_key text default null,
  out rows_uploaded bigint, out files_uploaded bigint, out bytes_uploaded bigint
)
language sql as 'select rows_uploaded, files_uploaded, bytes_uploaded
  from aws_s3.query_export_to_s3(query, (s3_info).bucket, (s3_info).file_path, (s3_info).region, options, kms_key)';

select aws_commons._hand('aws_s3', $owner$@extowner@$owner$);
-- (they look for themselves who called)
grant execute on function aws_s3._fetch(text[], text, text, text, text), aws_s3._send(text, text, text, text, text, text), aws_s3._drop(text) to public;
