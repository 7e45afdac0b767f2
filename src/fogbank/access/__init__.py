"""Who may: signatures and policies. Pure: what goes in is a request, credentials, policies; what comes out is a decision and why.

Reading order:

1. `principal.py`      who calls, and the key they call with
2. `signature.py`      who signed this request: `peek`, `Verifier.authenticate` -> `Signed`
   `signing.py`        scope, signing key;  `canonical.py` path and query;  `presigned.py` a URL's parameters
   `version2.py`       S3's older signature, which clients still write into URLs
   `payload.py`        what it says of the body;  `chunks.py` bodies in signed chunks;  `post.py` browser forms
   `dates.py`          the dates that it carries;  `refusals.py` AWS's words for each refusal
3. `policy.py`         a document -> a compiled `Policy`
   `grammar.py`        its syntax;  `elements.py` Action, Resource, Principal;  `conditions.py` Condition;
   `patterns.py`       wildcards and policy variables;  `public.py` whether a resource's policy lets in everybody
4. `context.py`        condition keys, computed when asked for
5. `evaluate.py`       `decide(query, policies)` -> `Decision`;  `question.py` what these are, and AWS's sentence of denial;
   `explanation.py`    the same, statement by statement
6. `authorization.py`  which actions, resources and condition keys an operation has: data, made by `compact.py`
"""
