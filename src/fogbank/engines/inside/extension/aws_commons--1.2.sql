-- What the other AWS extensions share: their types, and the way out of the database.
\echo Use "create extension aws_commons" to load this file. \quit

create schema aws_commons;
grant usage on schema aws_commons to public;

create type aws_commons._s3_uri_1 as (bucket text, file_path text, region text);
create type aws_commons._aws_credentials_1 as (access_key text, secret_key text, session_token text);
create type aws_commons._lambda_function_arn_1 as (function_name text, region text);

create function aws_commons.create_s3_uri(bucket text, file_path text, region text) returns aws_commons._s3_uri_1
language sql immutable parallel safe as 'select row(bucket, file_path, region)::aws_commons._s3_uri_1';

create function aws_commons.create_aws_credentials(access_key text, secret_key text, session_token text)
returns aws_commons._aws_credentials_1
language sql immutable parallel safe as 'select row(access_key, secret_key, session_token)::aws_commons._aws_credentials_1';

create function aws_commons.create_lambda_function_arn(function_name text, region text default null)
returns aws_commons._lambda_function_arn_1
language sql immutable parallel safe as 'select row(function_name, region)::aws_commons._lambda_function_arn_1';

-- dblink's own function: the extension would be for its owner only.
create function aws_commons._dblink(text, text) returns setof record
language c parallel restricted as '$libdir/dblink', 'dblink_record';
revoke all on function aws_commons._dblink(text, text) from public;

-- Where AWS is reached: a socket next to the server's own, or above.
create function aws_commons._door() returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  sockets text := btrim(split_part(current_setting('unix_socket_directories'), ',', 1));
  place text;
begin
  foreach place in array array[
    regexp_replace(sockets, '/[^/]+/*$', '') || '/aws', sockets || '/aws', sockets,
    regexp_replace(current_setting('data_directory'), '/[^/]+/*$', '') || '/aws'
  ] loop
    if place <> sockets and (pg_stat_file(place || '/.s.PGSQL.5432', true)).size is not null then
      return place;
    end if;
  end loop;
  raise exception using errcode = 'external_routine_exception', message = 'AWS cannot be reached from this database';
end $$;
revoke all on function aws_commons._door() from public;

-- Calls AWS as the cluster's role for a feature. What it answers, or the error that it names.
create function aws_commons._call(feature text, call jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connection text := format(
    'host=''%s'' port=5432 dbname=aws user=aws sslmode=disable gssencmode=disable',
    replace(replace(aws_commons._door(), '\', '\\'), '''', '\''')
  );
  asked text := jsonb_build_object('feature', feature, 'call', call)::text;
  answer jsonb;
  refused jsonb;
begin
  select said into strict answer from aws_commons._dblink(connection, 'select call(' || quote_literal(asked) || ')') as (said jsonb);
  refused := answer -> 'refused';
  if refused is not null then
    raise exception using
      errcode = coalesce(refused ->> 'code', 'external_routine_exception'),
      message = refused ->> 'message',
      detail = coalesce(refused ->> 'detail', ''),
      hint = coalesce(refused ->> 'hint', '');
  end if;
  return answer;
end $$;
revoke all on function aws_commons._call(text, jsonb) from public;

-- Lets whoever created an extension, and RDS's superusers, use a schema of it and pass that on.
create function aws_commons._hand(schema text, owner text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  who text;
begin
  execute format('revoke all on all functions in schema %I from public', schema);
  for who in select rolname from pg_roles where rolname in ((parse_ident(owner))[1], 'rds_superuser') and not rolsuper loop
    execute format('grant usage on schema %I to %I with grant option', schema, who);
    execute format('grant execute on all functions in schema %I to %I with grant option', schema, who);
  end loop;
end $$;
revoke all on function aws_commons._hand(text, text) from public;
