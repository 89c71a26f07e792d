//! What a run's log says, offline: one file a question.
