-- Lambda functions, called from SQL.
\echo Use "create extension aws_lambda" to load this file. \quit

create schema aws_lambda;

create function aws_lambda._invoke(
  function_name text, payload text, region text, invocation_type text, log_type text, context text, qualifier text,
  out status_code int, out payload_out text, out executed_version text, out log_result text
)
language plpgsql as $$
declare
  answer jsonb := aws_commons._call('Lambda', jsonb_build_object(
    'do', 'invoke', 'function', function_name, 'payload', payload, 'region', region, 'type', invocation_type,
    'log', log_type, 'context', context, 'qualifier', qualifier
  ));
begin
  status_code := answer ->> 'status_code';
  payload_out := answer ->> 'payload';
  executed_version := answer ->> 'executed_version';
  log_result := answer ->> 'log_result';
end $$;

create function aws_lambda.invoke(
  in function_name text, in payload json, in region text default null, in invocation_type text default 'RequestResponse',
  in log_type text default 'None', in context json default null, in qualifier varchar(128) default null,
  out status_code int, out payload json, out executed_version text, out log_result text
)
language sql security definer set search_path = pg_catalog, pg_temp
as 'select status_code, payload_out::json, executed_version, log_result
  from aws_lambda._invoke($1, $2::text, $3, $4, $5, $6::text, $7)';

create function aws_lambda.invoke(
  in function_name aws_commons._lambda_function_arn_1, in payload json, in invocation_type text default 'RequestResponse',
  in log_type text default 'None', in context json default null, in qualifier varchar(128) default null,
  out status_code int, out payload json, out executed_version text, out log_result text
)
language sql security definer set search_path = pg_catalog, pg_temp
as 'select status_code, payload_out::json, executed_version, log_result
  from aws_lambda._invoke(($1).function_name, $2::text, ($1).region, $3, $4, $5::text, $6)';

create function aws_lambda.invoke(
  in function_name text, in payload jsonb, in region text default null, in invocation_type text default 'RequestResponse',
  in log_type text default 'None', in context jsonb default null, in qualifier varchar(128) default null,
  out status_code int, out payload jsonb, out executed_version text, out log_result text
)
language sql security definer set search_path = pg_catalog, pg_temp
as 'select status_code, payload_out::jsonb, executed_version, log_result
  from aws_lambda._invoke($1, $2::text, $3, $4, $5, $6::text, $7)';

create function aws_lambda.invoke(
  in function_name aws_commons._lambda_function_arn_1, in payload jsonb, in invocation_type text default 'RequestResponse',
  in log_type text default 'None', in context jsonb default null, in qualifier varchar(128) default null,
  out status_code int, out payload jsonb, out executed_version text, out log_result text
)
language sql security definer set search_path = pg_catalog, pg_temp
as 'select status_code, payload_out::jsonb, executed_version, log_result
  from aws_lambda._invoke(($1).function_name, $2::text, ($1).region, $3, $4, $5::text, $6)';

select aws_commons._hand('aws_lambda', $owner$@extowner@$owner$);
