-- Machine learning services, called from SQL, a row at a time.
\echo Use "create extension aws_ml" to load this file. \quit

create schema aws_comprehend;
create schema aws_sagemaker;
create schema aws_bedrock;

create function aws_comprehend.detect_sentiment(
  in input_text text, in language_code text, in max_rows_per_batch int default 25, out sentiment varchar, out confidence real
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  answer jsonb := aws_commons._call('Comprehend', jsonb_build_object(
    'do', 'sentiment', 'text', input_text, 'language', language_code
  ));
begin
  sentiment := answer ->> 'sentiment';
  confidence := answer ->> 'confidence';
end $$;

-- All inputs are of one type here, or can be made so; cast to text what cannot.
create function aws_sagemaker.invoke_endpoint(
  in endpoint_name varchar, in max_rows_per_batch int, variadic model_input anycompatiblearray, out model_output varchar
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  line text := (
    select string_agg(
      case when field is null then '' when field ~ '[",\r\n]' then '"' || replace(field, '"', '""') || '"' else field end, ',' order by n
    )
    from (select one::text as field, n from unnest(model_input) with ordinality as t(one, n)) as fields
  );
begin
  model_output := aws_commons._call('SageMaker', jsonb_build_object(
    'do', 'endpoint', 'endpoint', endpoint_name, 'body', line
  )) ->> 'body';
end $$;

create function aws_bedrock.invoke_model(
  in model_id text, in content_type text, in accept_type text, in model_input text, out model_output varchar
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  model_output := aws_commons._call('Bedrock', jsonb_build_object(
    'do', 'model', 'model', model_id, 'content_type', content_type, 'accept', accept_type, 'body', model_input
  )) ->> 'body';
end $$;

create function aws_bedrock.invoke_model_get_embeddings(
  in model_id text, in content_type text, in json_key text, in model_input text, out model_output float8[]
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  body text := aws_commons._call('Bedrock', jsonb_build_object(
    'do', 'model', 'model', model_id, 'content_type', content_type, 'accept', 'application/json', 'body', model_input
  )) ->> 'body';
begin
  model_output := (select array_agg(one::float8 order by n) from jsonb_array_elements_text(body::jsonb -> json_key) with ordinality as t(one, n));
end $$;

select aws_commons._hand(schema, $owner$@extowner@$owner$) from unnest(array['aws_comprehend', 'aws_sagemaker', 'aws_bedrock']) as schema;
