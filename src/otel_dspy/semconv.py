"""Names of the telemetry contract. Generated from `semconv/` by `make semconv`: do not edit.

A name that ends in a dot is a prefix: the rest of the name is added where it is used. A span's name is a
pattern for `str.format`, with the value of the attribute that its docstring names.
"""

from typing import Final, Literal

# Attributes
DSPY_OPERATION_NAME: Final = "dspy.operation.name"
"""The operation that the span records."""
DSPY_COMPILE_ID: Final = "dspy.compile.id"
"""Unique id of one call of an optimizer's `compile`, 32 hex digits."""
DSPY_COMPILE_PARENT_ID: Final = "dspy.compile.parent.id"
"""`dspy.compile.id` of the compile that this one runs inside."""
DSPY_COMPILE_PARENT_TRIAL_INDEX: Final = "dspy.compile.parent.trial.index"
"""Index of the parent compile's trial that this compile is a step of; absent outside a trial."""
DSPY_COMPILE_DEPTH: Final = "dspy.compile.depth"
"""How many compiles enclose this one; absent on an outermost compile."""
DSPY_COMPILE_INITIAL_SCORE: Final = "dspy.compile.initial_score"
"""Score of the program before optimization, where the optimizer measures it; unit as `dspy.trial.score.unit`."""
DSPY_COMPILE_BEST_SCORE: Final = "dspy.compile.best_score"
"""Score of the best trial (see `dspy.compile.best_trial.index`), on the whole validation set or, as with a
`val_evaluation_policy` of GEPA, on the part of it that the trial was scored on; unit as `dspy.trial.score.unit`. NaN if
the optimizer returned a program that scored NaN.
"""
DSPY_COMPILE_BEST_TRIAL_INDEX: Final = "dspy.compile.best_trial.index"
"""Index of the trial that scored the returned program, on the whole validation set unless the optimizer chooses by
scores on parts of it: by the optimizer's own rule, in which NaN, infinity, ties and failed trials count as it counts
them.
"""
DSPY_COMPILE_TRIAL_COUNT: Final = "dspy.compile.trial.count"
"""How many trials the compile ran."""
DSPY_COMPILE_RESUMED_FROM: Final = "dspy.compile.resumed.from"
"""Folder of the checkpoint that the compile went on from."""
DSPY_COMPILE_RESUMED_ITERATION: Final = "dspy.compile.resumed.iteration"
"""The optimizer's own number of the last iteration before the checkpoint."""
DSPY_COMPILE_RESUMED_DIFFERENCES: Final = "dspy.compile.resumed.differences"
"""How the given program or validation set differs from those that the checkpoint was written with; the optimizer
continues with the stored ones.
"""
DSPY_COMPILE_IN_CALL: Final = "dspy.compile.in_call"
"""True where an optimizer without trials runs inside a program's call (KNNFewShot compiles at each one). It is a part
of that call: it has no setup, and no span inside has its id.
"""
DSPY_COMPILE_STEP_FAILED: Final = "dspy.compile.step_failed"
"""Whether a step of the optimizer's plan failed, so that it stopped and returned the best that it had (BetterTogether's
`flag_compilation_error_occurred`).
"""
DSPY_COMPILE_USAGE_INPUT_TOKENS: Final = "dspy.compile.usage.input_tokens"
"""Input tokens of the compile so far (at the end of this trial), everything included: proposals, bootstraps, trials."""
DSPY_COMPILE_USAGE_OUTPUT_TOKENS: Final = "dspy.compile.usage.output_tokens"
"""Output tokens of the compile so far."""
DSPY_COMPILE_USAGE_LM_CALLS: Final = "dspy.compile.usage.lm_calls"
"""LM calls of the compile so far, cache hits included."""
DSPY_COMPILE_USAGE_CACHE_HITS: Final = "dspy.compile.usage.cache_hits"
"""LM calls of the compile so far that a cache answered."""
DSPY_COMPILE_USAGE_COST: Final = "dspy.compile.usage.cost"
"""Cost of the compile so far, USD; of the calls whose model has a known price, absent where none has."""
DSPY_COMPILE_USAGE_EMBEDDING_CALLS: Final = "dspy.compile.usage.embedding_calls"
"""Calls of embedding models of the compile so far, cached ones included."""
DSPY_COMPILE_USAGE_UNPRICED_CALLS: Final = "dspy.compile.usage.unpriced_calls"
"""LM and embedding calls of the compile so far that used tokens at an unknown price: `dspy.compile.usage.cost` leaves
them out.
"""
DSPY_COMPILE_USAGE_ROLE: Final = "dspy.compile.usage.role."
"""`dspy.compile.usage.*` of the calls of one role alone, for each role that made a call; the roles add up to the whole.
"""
DSPY_COMPILE_USAGE_MODEL: Final = "dspy.compile.usage.model."
"""Tokens, calls and cost of `dspy.compile.usage.*` of the calls of one language model alone, named as in DSPy, for each
model that was called; the models add up to the whole. The first eight have parts of their own, `other` has the rest.
"""
DSPY_FORECAST_LM_CALLS_LOW: Final = "dspy.forecast.lm_calls.low"
"""Fewest LM calls that the compile will make, by the optimizer's arithmetic, if a run of the program calls each
predictor once; without those of the metric.
"""
DSPY_FORECAST_LM_CALLS_HIGH: Final = "dspy.forecast.lm_calls.high"
"""Most LM calls that the compile will make; equal to `low` where the number is known, absent where it has no bound."""
DSPY_FORECAST_TOKENS_LOW: Final = "dspy.forecast.tokens.low"
"""Least tokens that `otel_dspy.forecast` gave for this compile, input and output; absent where the program did not ask
for a forecast with rates.
"""
DSPY_FORECAST_TOKENS_HIGH: Final = "dspy.forecast.tokens.high"
"""Most tokens that it gave; absent where there is no bound."""
DSPY_FORECAST_COST_LOW: Final = "dspy.forecast.cost.low"
"""Least cost that `otel_dspy.forecast` gave for this compile, USD; absent where the program did not ask for a forecast
with rates.
"""
DSPY_FORECAST_COST_HIGH: Final = "dspy.forecast.cost.high"
"""Most cost that it gave; absent where there is no bound."""
DSPY_FORECAST_SECONDS_LOW: Final = "dspy.forecast.seconds.low"
"""Least time that `otel_dspy.forecast` gave for this compile, in seconds; absent where the program did not ask for a
forecast with rates.
"""
DSPY_FORECAST_SECONDS_HIGH: Final = "dspy.forecast.seconds.high"
"""Most time that it gave; absent where there is no bound."""
DSPY_FORECAST_ROLE: Final = "dspy.forecast.role."
"""`dspy.forecast.lm_calls.*` of one role alone."""
DSPY_OPTIMIZER_NAME: Final = "dspy.optimizer.name"
"""Class name of the optimizer."""
DSPY_OPTIMIZER_PARAMETER: Final = "dspy.optimizer.parameter."
"""A plain parameter of the optimizer: constructor, effective compile argument, or what `auto` resolved to. Never a
secret.
"""
DSPY_PROGRAM_NAME: Final = "dspy.program.name"
"""Class name of the program."""
DSPY_PROGRAM_ID: Final = "dspy.program.id"
"""Identity of a program state: the first 16 hex digits of the sha256 of the canonical JSON of the state without its
`lm` and `metadata` keys, and with the states of parts that were compiled on their own, which DSPy leaves out of the
state.
"""
DSPY_PROGRAM_PARENT_IDS: Final = "dspy.program.parent.ids"
"""Program ids that this program was made from."""
DSPY_PROGRAM_STATE: Final = "dspy.program.state"
"""The program's state as JSON, loadable with `program.load`; `lm` is always null. A payload. Sent once for each id in a
compile.
"""
DSPY_METRIC_NAME: Final = "dspy.metric.name"
"""Name of the metric function or class."""
DSPY_LM_MODEL: Final = "dspy.lm.model"
"""The language model as DSPy names it."""
DSPY_LM_PARAMETER: Final = "dspy.lm.parameter."
"""A plain setting of the language model from a fixed list (temperature, max_tokens, ...). Never a key or header."""
DSPY_LM_CACHE_HIT: Final = "dspy.lm.cache_hit"
"""True if DSPy's cache answered."""
DSPY_LM_LATE: Final = "dspy.lm.late"
"""True if the call ended after an example, evaluation, trial or compile that it belongs to. The totals of those that
had ended leave it out; those of the spans around that were still open include it.
"""
DSPY_LM_COST: Final = "dspy.lm.cost"
"""Cost of the call, USD, as DSPy estimates it, else as the provider reports it; of an embedding call, as LiteLLM
estimates it; 0 on a cache hit; absent where the model has no known price, on a cache hit too.
"""
DSPY_LM_REQUESTS: Final = "dspy.lm.requests"
"""How many responses DSPy combined for the call: its own engine sends a request for each choice (`n`). Absent where it
is one.
"""
DSPY_LM_RETRIES: Final = "dspy.lm.retries"
"""How many attempts failed and were repeated."""
DSPY_LM_REQUEST_SETTINGS: Final = "dspy.lm.request.settings"
"""Settings of the request that the GenAI conventions have no attribute for, from a fixed list (rollout_id,
response_format as a JSON schema, logprobs, reasoning_effort, tool_choice, ...): a JSON object. Never a key or header.
Absent where there is none.
"""
DSPY_LM_RESPONSE_FIELDS: Final = "dspy.lm.response.fields"
"""What the answers have beside text, reasoning and tool calls (logprobs, with `text` for `token`; citations): a JSON
array with an object for each choice. Absent where there is none.
"""
DSPY_LM_ROLE: Final = "dspy.lm.role"
"""Purpose of the call, by where it was made: the program's own work or a teacher's (also the default), the optimizer's
instructions and rules, its reflection on what went wrong, or the metric's judgment.
"""
DSPY_DATASET_ROLE: Final = "dspy.dataset.role"
"""What the dataset is for."""
DSPY_DATASET_ID: Final = "dspy.dataset.id"
"""Digest of the rows: the first 16 hex digits of a sha256 over the example ids in order."""
DSPY_DATASET_NAME: Final = "dspy.dataset.name"
"""What the dataset is called: `trainset`, `valset`, `devset`."""
DSPY_DATASET_SIZE: Final = "dspy.dataset.size"
"""Number of examples."""
DSPY_DATASET_FIELDS: Final = "dspy.dataset.fields"
"""Names of the fields, in the order of their first appearance."""
DSPY_DATASET_INPUT_FIELDS: Final = "dspy.dataset.input_fields"
"""Names of the fields that are inputs of an example, in the order of `dspy.dataset.fields`; the others are labels.
Absent where no example declares its inputs.
"""
DSPY_DATASET_ROWS: Final = "dspy.dataset.rows"
"""The rows as a JSON array of objects. A payload."""
DSPY_PHASE_NAME: Final = "dspy.phase.name"
"""Name of the phase: bootstrap, select, propose, induce, search, reflect, merge, step, sample, validate, finetune, ...
"""
DSPY_PHASE_INDEX: Final = "dspy.phase.index"
"""Index of the phase among the compile's phases of that name, from 0, where the optimizer repeats it."""
DSPY_PHASE_INSTRUCTIONS: Final = "dspy.phase.instructions"
"""Instructions that the phase produced: JSON object of predictor path, in the program's order, to array of texts. A
payload.
"""
DSPY_PHASE_DEMOS: Final = "dspy.phase.demos"
"""Demo sets that the phase produced: JSON object of predictor path, in the program's order, to array of arrays of
demos. A payload.
"""
DSPY_TRIAL_INDEX: Final = "dspy.trial.index"
"""Index of the trial in its compile, dense from 0."""
DSPY_TRIAL_LABEL: Final = "dspy.trial.label"
"""The optimizer's own word for the trial."""
DSPY_TRIAL_KIND: Final = "dspy.trial.kind"
"""What the trial is in its search."""
DSPY_TRIAL_PARAMETER: Final = "dspy.trial.parameter."
"""A parameter that the optimizer chose for this trial."""
DSPY_TRIAL_CANDIDATE: Final = "dspy.trial.candidate"
"""The parts of this candidate, as a JSON object of predictor name to object of the texts, demos or rules that were
chosen for it. A payload.
"""
DSPY_TRIAL_SCORE: Final = "dspy.trial.score"
"""The trial's score in the optimizer's own unit."""
DSPY_TRIAL_SCORE_UNIT: Final = "dspy.trial.score.unit"
"""Unit of the compile's and its trials' scores: percent is 0-100, ratio the raw mean."""
DSPY_TRIAL_SCOPE: Final = "dspy.trial.scope"
"""Whether the trial was scored on all of the validation set or on a part."""
DSPY_TRIAL_BEST_SCORE: Final = "dspy.trial.best_score"
"""Score of the trial that is best up to and including this one, by the optimizer's own rule, among the full-scope
trials and those on a part of the validation set for which it may return a candidate.
"""
DSPY_TRIAL_IS_BEST: Final = "dspy.trial.is_best"
"""True if this trial is the best one so far (see `dspy.trial.best_score`)."""
DSPY_TRIAL_STATE: Final = "dspy.trial.state"
"""How the trial ended."""
DSPY_TRIAL_DERIVED: Final = "dspy.trial.derived"
"""True where the trial is inferred from an evaluation, not reported by the optimizer."""
DSPY_TRIAL_REASON: Final = "dspy.trial.reason"
"""Why the optimizer rejected the trial's candidate or made none, in its own words."""
DSPY_TRIAL_MEASURE: Final = "dspy.trial.measure."
"""A number that the optimizer measured in the trial in addition to its score, by name."""
DSPY_TRIAL_SCORES: Final = "dspy.trial.scores"
"""What the optimizer scored the trial on, as a JSON array, a row an example: `on` (minibatch or validation), id, score;
of a minibatch (a merge takes its own from the validation set) also `before`, the scores of the parents. Unit as
`dspy.trial.score.unit`. A payload.
"""
DSPY_TRIAL_PARETO_FRONT: Final = "dspy.trial.pareto.front"
"""The Pareto front after the trial, as a JSON array, a row an example or objective: `of` (example or objective), id,
score (the best so far), candidates (those that reach it, by the optimizer's numbers). A payload.
"""
DSPY_EVALUATE_NUM_EXAMPLES: Final = "dspy.evaluate.num_examples"
"""Number of examples evaluated."""
DSPY_EVALUATE_SCORE: Final = "dspy.evaluate.score"
"""Evaluate's score, percent. Absent where the optimizer scores by itself: its trial has the score."""
DSPY_EVALUATE_NUM_ERRORS: Final = "dspy.evaluate.num_errors"
"""Examples whose program or metric raised, without those that were interrupted."""
DSPY_EVALUATE_OBJECTIVE: Final = "dspy.evaluate.objective."
"""Mean of one of the metric's `objective_scores` over the examples that have it, by the objective's name."""
DSPY_EVALUATE_SCOPE: Final = "dspy.evaluate.scope"
"""Whether the evaluation was over all of the validation set or over a part."""
DSPY_EVALUATE_ROLE: Final = "dspy.evaluate.role"
"""What the evaluation is for in a trial that makes several: the parent on a minibatch, the candidate on the same, the
candidate on the validation set; the rollouts that a train step learns from.
"""
DSPY_EVALUATE_RESULTS: Final = "dspy.evaluate.results"
"""Result rows as a JSON array: index, id, score, objectives (where the metric returned any), error (the type's name);
of a bootstrap also round and accepted, of sampled trajectories program and rollout; with content also inputs, labels,
prediction, feedback, error_message. A payload.
"""
DSPY_EVALUATE_WITHIN_EXAMPLE: Final = "dspy.evaluate.within_example"
"""True where an example of another evaluation, its program or its metric, makes the evaluation: it is neither a trial
nor a part of one, and has no run of its own.
"""
DSPY_EXAMPLE_INDEX: Final = "dspy.example.index"
"""Position in the validation set of the nearest enclosing compile, from 0, so that an example has the same index in all
its trials; else in its training set, else in the evaluated list.
"""
DSPY_EXAMPLE_ID: Final = "dspy.example.id"
"""Digest of the example: the first 16 hex digits of the sha256 of its canonical JSON."""
DSPY_EXAMPLE_SCORE: Final = "dspy.example.score"
"""What the metric returned for the example, as a number."""
DSPY_EXAMPLE_INITIAL_SCORE: Final = "dspy.example.initial_score"
"""Score of the program before optimization on the same example; 0 where it failed."""
DSPY_EXAMPLE_PARENT_SCORE: Final = "dspy.example.parent_score"
"""Score of the program that the candidate was derived from on the same example of the same minibatch; 0 where it
failed.
"""
DSPY_EXAMPLE_OBJECTIVE: Final = "dspy.example.objective."
"""One of the `objective_scores` that the metric returned beside the score, by the objective's name; 100 at most."""
DSPY_EXAMPLE_REPEATED: Final = "dspy.example.repeated"
"""True where another run of the example had ended first, and counts: DSPy runs one that takes too long again. It may
end after its evaluation.
"""
DSPY_EXAMPLE_INPUTS: Final = "dspy.example.inputs"
"""Input fields as JSON."""
DSPY_EXAMPLE_LABELS: Final = "dspy.example.labels"
"""The other fields as JSON."""
DSPY_EXAMPLE_PREDICTION: Final = "dspy.example.prediction"
"""The prediction's fields as JSON."""
DSPY_EXAMPLE_FEEDBACK: Final = "dspy.example.feedback"
"""The metric's feedback text."""
DSPY_EXAMPLE_ERROR_MESSAGE: Final = "dspy.example.error.message"
"""Message of what the program or the metric raised, redacted and bounded as other messages are."""
DSPY_FAILURES_EXAMPLES: Final = "dspy.failures.examples"
"""How many of the examples inside failed: their program or metric raised, and they were not interrupted. Those of every
evaluation count, of nested compiles too.
"""
DSPY_FAILURES_ALL: Final = "dspy.failures.all"
"""Whether every example inside failed, so that no score is meaningful."""
DSPY_FAILURES_FIRST_TYPE: Final = "dspy.failures.first.type"
"""`error.type` of the example that failed first."""
DSPY_FAILURES_FIRST_MESSAGE: Final = "dspy.failures.first.message"
"""Its message, redacted and bounded."""
DSPY_MODULE_TYPE: Final = "dspy.module.type"
"""Class name of the module."""
DSPY_MODULE_NAME: Final = "dspy.module.name"
"""Path of the module in its program; `self` for the program."""
DSPY_MODULE_FALLBACK: Final = "dspy.module.fallback"
"""Class name of the adapter that repeated the call, because the answer could not be parsed by the first adapter."""
DSPY_MODULE_SIGNATURE: Final = "dspy.module.signature"
"""The signature's fields."""
DSPY_MODULE_INPUT: Final = "dspy.module.input"
"""Keyword arguments of the call as JSON."""
DSPY_MODULE_OUTPUT: Final = "dspy.module.output"
"""What the module returned, as JSON."""
DSPY_ATTEMPT_INDEX: Final = "dspy.attempt.index"
"""Index of the attempt in its module's call, from 0."""
DSPY_ATTEMPT_REWARD: Final = "dspy.attempt.reward"
"""What the reward function gave for the attempt, as a number."""
DSPY_RETRIEVAL_COUNT: Final = "dspy.retrieval.count"
"""How many passages were found."""
DSPY_RETRIEVAL_PASSAGES: Final = "dspy.retrieval.passages"
"""The passages that were found, as a JSON array of texts."""
DSPY_EMBEDDINGS_COUNT: Final = "dspy.embeddings.count"
"""How many texts were embedded."""
DSPY_INTERPRETER_OPERATION: Final = "dspy.interpreter.operation"
"""Whether the interpreter was started, executed code or was shut down."""
DSPY_INTERPRETER_TYPE: Final = "dspy.interpreter.type"
"""Class name of the interpreter."""
DSPY_INTERPRETER_CODE: Final = "dspy.interpreter.code"
"""The code that was run."""
DSPY_INTERPRETER_RESULT: Final = "dspy.interpreter.result"
"""What it printed or submitted, as a text or JSON."""
DSPY_ADAPTER_OPERATION: Final = "dspy.adapter.operation"
"""Whether the adapter made messages of inputs, or fields of an answer."""
DSPY_ADAPTER_TYPE: Final = "dspy.adapter.type"
"""Class name of the adapter."""
DSPY_ADAPTER_INPUT: Final = "dspy.adapter.input"
"""What was to be formatted or parsed: the inputs as JSON, or the model's answer."""
DSPY_ADAPTER_OUTPUT: Final = "dspy.adapter.output"
"""The messages or the fields, as JSON."""
DSPY_CONTENT_LENGTH: Final = "dspy.content.length."
"""Original length in characters of the content attribute of that name, where it was cut."""
DSPY_PAYLOAD_ID: Final = "dspy.payload.id"
"""sha256 of the whole JSON text (UTF-8), hex."""
DSPY_PAYLOAD_ATTRIBUTE: Final = "dspy.payload.attribute"
"""Name of the parent span's attribute that the pieces make up."""
DSPY_PAYLOAD_INDEX: Final = "dspy.payload.index"
"""Position of the piece, from 0."""
DSPY_PAYLOAD_COUNT: Final = "dspy.payload.count"
"""Number of pieces."""
DSPY_PAYLOAD_ENCODING: Final = "dspy.payload.encoding"
"""How the pieces are encoded: joined, base64-decoded and unzipped, they give the JSON text."""
DSPY_PAYLOAD_DATA: Final = "dspy.payload.data"
"""The piece."""
DSPY_USAGE_INPUT_TOKENS: Final = "dspy.usage.input_tokens"
"""Sum over the LM and embedding calls inside; a cache hit counts none."""
DSPY_USAGE_OUTPUT_TOKENS: Final = "dspy.usage.output_tokens"
"""Sum over the LM calls inside; a cache hit counts none."""
DSPY_USAGE_LM_CALLS: Final = "dspy.usage.lm_calls"
"""LM calls inside, cache hits included. All of `dspy.usage.*` is absent where no call was observed because models may
be called without DSPy (gepa without DSPy's class).
"""
DSPY_USAGE_CACHE_HITS: Final = "dspy.usage.cache_hits"
"""LM calls inside that a cache answered."""
DSPY_USAGE_COST: Final = "dspy.usage.cost"
"""Cost of the LM and embedding calls inside, USD; 0 for a cache hit. Of the calls whose model has a known price, absent
where none has.
"""
DSPY_USAGE_EMBEDDING_CALLS: Final = "dspy.usage.embedding_calls"
"""Calls of embedding models inside, cached ones included. Their tokens and cost are part of the sums."""
DSPY_USAGE_UNPRICED_CALLS: Final = "dspy.usage.unpriced_calls"
"""LM and embedding calls inside that used tokens at an unknown price: `dspy.usage.cost` leaves them out."""
DSPY_USAGE_LATE_CALLS: Final = "dspy.usage.late_calls"
"""How many of the LM calls inside ended after the example, evaluation, trial or compile directly inside that they
belong to: they are in this sum and not in that one's. Absent where there was none.
"""
DSPY_USAGE_ROLE: Final = "dspy.usage.role."
"""`dspy.usage.*` of the calls of one role (`dspy.lm.role`) alone, for each role that made a call; the roles add up to
the whole.
"""
DSPY_USAGE_MODEL: Final = "dspy.usage.model."
"""Tokens, calls and cost of `dspy.usage.*` of the calls of one language model alone, named as in DSPy, for each model
that was called; the models add up to the whole. The first eight have parts of their own, `other` has the rest.
"""
OPENINFERENCE_SPAN_KIND: Final = "openinference.span.kind"
"""Kind of the span, derived from `dspy.operation.name` or `gen_ai.operation.name`."""
INPUT_VALUE: Final = "input.value"
"""What went in: a module's, an example's or a tool's inputs, an interpreter's code, a retriever's query, a language
model's last message.
"""
INPUT_MIME_TYPE: Final = "input.mime_type"
"""`application/json` or `text/plain`."""
OUTPUT_VALUE: Final = "output.value"
"""What came out, of the same."""
OUTPUT_MIME_TYPE: Final = "output.mime_type"
"""`application/json` or `text/plain`."""
METADATA: Final = "metadata"
"""JSON object of what was scored: metric, score, its unit, best_score, is_best, reward, each where the span has it."""
LLM_MODEL_NAME: Final = "llm.model_name"
"""`gen_ai.request.model` of a language model call."""
LLM_PROVIDER: Final = "llm.provider"
"""`gen_ai.provider.name` in OpenInference's words."""
LLM_INVOCATION_PARAMETERS: Final = "llm.invocation_parameters"
"""JSON object of `gen_ai.request.*`: temperature, max_tokens and the like."""
LLM_TOKEN_COUNT_PROMPT: Final = "llm.token_count.prompt"
"""`gen_ai.usage.input_tokens`."""
LLM_TOKEN_COUNT_COMPLETION: Final = "llm.token_count.completion"
"""`gen_ai.usage.output_tokens`."""
LLM_TOKEN_COUNT_TOTAL: Final = "llm.token_count.total"
"""Both together."""
LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_READ: Final = "llm.token_count.prompt_details.cache_read"
"""`gen_ai.usage.cache_read.input_tokens`."""
LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_WRITE: Final = "llm.token_count.prompt_details.cache_write"
"""`gen_ai.usage.cache_write.input_tokens`."""
LLM_TOKEN_COUNT_PROMPT_DETAILS_AUDIO: Final = "llm.token_count.prompt_details.audio"
"""`gen_ai.usage.audio.input_tokens`."""
LLM_TOKEN_COUNT_COMPLETION_DETAILS_AUDIO: Final = "llm.token_count.completion_details.audio"
"""`gen_ai.usage.audio.output_tokens`."""
LLM_TOKEN_COUNT_COMPLETION_DETAILS_REASONING: Final = "llm.token_count.completion_details.reasoning"
"""`gen_ai.usage.reasoning.output_tokens`."""
LLM_COST_TOTAL: Final = "llm.cost.total"
"""`dspy.lm.cost`, USD."""
LLM_INPUT_MESSAGES: Final = "llm.input_messages."
"""Role, text, tool calls, reasoning and media of each message that was sent; left out where the span has no room for
all of them: `input.value` then holds them as JSON.
"""
LLM_OUTPUT_MESSAGES: Final = "llm.output_messages."
"""The same of the answers."""
LLM_TOOLS: Final = "llm.tools."
"""Each tool that was offered, as JSON in OpenAI's shape; left out where the span has no room for all of them."""
TOOL_NAME: Final = "tool.name"
"""`gen_ai.tool.name`."""
TOOL_DESCRIPTION: Final = "tool.description"
"""`gen_ai.tool.description`."""
TOOL_PARAMETERS: Final = "tool.parameters"
"""`gen_ai.tool.call.arguments`."""
AGENT_NAME: Final = "agent.name"
"""`gen_ai.agent.name`."""
EMBEDDING_MODEL_NAME: Final = "embedding.model_name"
"""`gen_ai.request.model` of an embedder."""
RETRIEVAL_DOCUMENTS: Final = "retrieval.documents."
"""Id, score and text of each passage; left out where the span has no room for all of them."""
OPENINFERENCE_NAMES: Final = (
    OPENINFERENCE_SPAN_KIND,
    INPUT_VALUE,
    INPUT_MIME_TYPE,
    OUTPUT_VALUE,
    OUTPUT_MIME_TYPE,
    METADATA,
    LLM_MODEL_NAME,
    LLM_PROVIDER,
    LLM_INVOCATION_PARAMETERS,
    LLM_TOKEN_COUNT_PROMPT,
    LLM_TOKEN_COUNT_COMPLETION,
    LLM_TOKEN_COUNT_TOTAL,
    LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_READ,
    LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_WRITE,
    LLM_TOKEN_COUNT_PROMPT_DETAILS_AUDIO,
    LLM_TOKEN_COUNT_COMPLETION_DETAILS_AUDIO,
    LLM_TOKEN_COUNT_COMPLETION_DETAILS_REASONING,
    LLM_COST_TOTAL,
    LLM_INPUT_MESSAGES,
    LLM_OUTPUT_MESSAGES,
    LLM_TOOLS,
    TOOL_NAME,
    TOOL_DESCRIPTION,
    TOOL_PARAMETERS,
    AGENT_NAME,
    EMBEDDING_MODEL_NAME,
    RETRIEVAL_DOCUMENTS,
)
"""Every attribute of `extra_conventions=openinference`."""

# Values that an attribute may take
DspyOperationName = Literal[
    "compile",
    "setup",
    "dataset",
    "phase",
    "trial",
    "evaluate",
    "example",
    "metric",
    "module",
    "attempt",
    "interpreter",
    "adapter",
    "payload",
]
"""Values of `dspy.operation.name`."""
DspyLmRole = Literal["task", "prompt", "reflection", "judge"]
"""Values of `dspy.lm.role`."""
DspyDatasetRole = Literal["train", "validation", "evaluation"]
"""Values of `dspy.dataset.role`."""
DspyTrialKind = Literal["baseline", "candidate", "full_evaluation", "merge", "step"]
"""Values of `dspy.trial.kind`."""
DspyTrialScoreUnit = Literal["percent", "ratio"]
"""Values of `dspy.trial.score.unit`."""
DspyTrialScope = Literal["full", "minibatch"]
"""Values of `dspy.trial.scope`."""
DspyTrialState = Literal["complete", "pruned", "rejected", "fail"]
"""Values of `dspy.trial.state`."""
DspyEvaluateScope = Literal["full", "minibatch"]
"""Values of `dspy.evaluate.scope`."""
DspyEvaluateRole = Literal["parent", "candidate", "validation", "rollouts"]
"""Values of `dspy.evaluate.role`."""
DspyInterpreterOperation = Literal["start", "execute", "shutdown"]
"""Values of `dspy.interpreter.operation`."""
DspyAdapterOperation = Literal["format", "parse"]
"""Values of `dspy.adapter.operation`."""
DspyPayloadEncoding = Literal["gzip+base64"]
"""Values of `dspy.payload.encoding`."""
OpeninferenceSpanKind = Literal["CHAIN", "LLM", "TOOL", "AGENT", "RETRIEVER", "EMBEDDING", "EVALUATOR"]
"""Values of `openinference.span.kind`."""

# Spans
SPAN_DSPY_COMPILE: Final = "compile {}"
"""One call of an optimizer's compile. Filled with `dspy.optimizer.name`."""
SPAN_DSPY_SETUP: Final = "setup {}"
"""The inputs of a compile, ended as soon as they are known. Filled with `dspy.optimizer.name`."""
SPAN_DSPY_DATASET: Final = "dataset {}"
"""A dataset that was passed to a compile or an evaluation. Filled with `dspy.dataset.role`."""
SPAN_DSPY_PHASE: Final = "phase {}"
"""A part of a compile, as the optimizer divides it. Filled with `dspy.phase.name`."""
SPAN_DSPY_TRIAL: Final = "trial {}"
"""One candidate tried, or one evaluation of it. Filled with `dspy.optimizer.name`."""
SPAN_DSPY_EVALUATE: Final = "evaluate {}"
"""One call of Evaluate, or the optimizer's own equivalent, which scores candidates or bootstrapped traces by the
metric, one for each example. Filled with `dspy.metric.name`.
"""
SPAN_DSPY_EXAMPLE: Final = "example {}"
"""One example of an evaluation, program call and metric together. Shape `linked` - a root that links to its evaluation;
shape `nested` - its child. Filled with `dspy.metric.name`.
"""
SPAN_DSPY_METRIC: Final = "metric {}"
"""The metric of an example, where it makes calls itself (to a model, for example) or raises; from the end of the
program's call to its own. Filled with `dspy.metric.name`.
"""
SPAN_DSPY_MODULE: Final = "module {}"
"""One call of a DSPy module. Filled with `dspy.module.type`."""
SPAN_DSPY_ATTEMPT: Final = "attempt {}"
"""One of the attempts that a module (BestOfN, Refine) makes of another one - the call, its reward, and the calls before
the next try. Filled with `dspy.module.type`.
"""
SPAN_DSPY_INTERPRETER: Final = "interpreter {}"
"""One call of a code interpreter, DSPy's or the user's own, by ProgramOfThought, CodeAct, RLM or the user. Filled with
`dspy.interpreter.operation`.
"""
SPAN_DSPY_ADAPTER: Final = "adapter {} {}"
"""One formatting or parsing by an adapter; only with the setting `capture_adapters`. Filled with
`dspy.adapter.operation`, `dspy.adapter.type`.
"""
SPAN_DSPY_PAYLOAD: Final = "payload"
"""A piece of a JSON text too large for one attribute."""
SPAN_GEN_AI_INFERENCE: Final = "{} {}"
"""One call of a language model, or one decision request (`dspy.experimental.TypeSafe`, or a client of your own).
Recorded through opentelemetry-util-genai; these are the attributes added to its own. Filled with
`gen_ai.operation.name`, `gen_ai.request.model`.
"""
SPAN_GEN_AI_EXECUTE_TOOL: Final = "execute_tool {}"
"""One tool call. Recorded through opentelemetry-util-genai. Filled with `gen_ai.tool.name`."""
SPAN_GEN_AI_INVOKE_AGENT: Final = "invoke_agent {}"
"""One call of an agent - ReAct, ReActV2, CodeAct and classes derived from them. Child of the agent's module span.
Recorded through opentelemetry-util-genai. Filled with `gen_ai.agent.name`.
"""
SPAN_GEN_AI_EMBEDDINGS: Final = "embeddings {}"
"""One call of a dspy.Embedder, all its batches together, with the tokens that the provider counted; a cache counts
none. A function of the user's own is named as the model. Recorded through opentelemetry-util-genai. Filled with
`gen_ai.request.model`.
"""
SPAN_GEN_AI_RETRIEVAL: Final = "retrieval {}"
"""One query of a retriever. `gen_ai.data_source.id` is the class of the retriever, because DSPy has no name for a
corpus. Recorded through opentelemetry-util-genai. Filled with `gen_ai.data_source.id`.
"""

# Metrics
METRIC_DSPY_COMPILE_DURATION: Final = "dspy.compile.duration"
"""How long a compile took. Histogram, unit `s`."""
METRIC_DSPY_COMPILE_ACTIVE: Final = "dspy.compile.active"
"""Compiles that run now. Updowncounter, unit `{compile}`."""
METRIC_DSPY_COMPILE_BEST_SCORE: Final = "dspy.compile.best_score"
"""Score of the best trial (see `dspy.compile.best_score`) of the compile that ended or improved last. Gauge, unit `1`.
"""
METRIC_DSPY_TRIAL_DURATION: Final = "dspy.trial.duration"
"""How long a trial took. Histogram, unit `s`."""
METRIC_DSPY_TRIAL_SCORE: Final = "dspy.trial.score"
"""Score of the trial that ended last. Gauge, unit `1`."""
METRIC_DSPY_EVALUATE_DURATION: Final = "dspy.evaluate.duration"
"""How long an evaluation took. Histogram, unit `s`."""
METRIC_DSPY_EVALUATE_EXAMPLES: Final = "dspy.evaluate.examples"
"""Examples evaluated; those that raised have error.type. Counter, unit `{example}`."""
METRIC_DSPY_MODULE_DURATION: Final = "dspy.module.duration"
"""How long a module call took. Histogram, unit `s`."""
METRIC_DSPY_USAGE_COST: Final = "dspy.usage.cost"
"""Cost of calls of language and embedding models. Counter, unit `{USD}`."""
METRIC_DSPY_USAGE_UNPRICED_CALLS: Final = "dspy.usage.unpriced_calls"
"""Calls of language and embedding models that used tokens at an unknown price. Counter, unit `{call}`."""
METRIC_DSPY_USAGE_CACHE_HITS: Final = "dspy.usage.cache_hits"
"""Language model calls that a cache answered. Counter, unit `{call}`."""

# Log events
EVENT_GEN_AI_EVALUATION_RESULT: Final = "gen_ai.evaluation.result"
"""The score of one example."""
EVENT_DSPY_COMPILE_STARTED: Final = "dspy.compile.started"
"""A compile began."""
EVENT_DSPY_COMPILE_COMPLETED: Final = "dspy.compile.completed"
"""A compile ended."""
EVENT_DSPY_TRIAL_COMPLETED: Final = "dspy.trial.completed"
"""A trial ended."""
