"""MLPerf Inference's scenarios for our engines: SingleStream, MultiStream, Server and Offline.

definitions   the scenarios, their percentiles, how long a run lasts, and what a run observed
system        the frames to infer, and the system under test: a queue, a thread that fills batches, and the engine
own           our driver, for all platforms
loadgen       MLPerf's LoadGen as the driver, where its wheels exist
pacing        warm-up, and the size of each run
search        the highest rate of Server whose p99 stays within a bound
measuring     the front door: a case, its drivers, and scenarios as results
summarising   from observations to measurements and sentences

The definitions are those of "MLPerf Inference Rules", sections Scenarios and LoadGen Operation
(github.com/mlcommons/inference_policies, inference_rules.adoc).  Results are no MLPerf results: the model, the
data and the duration of the runs are ours.
"""
