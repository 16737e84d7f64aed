//! The node as transcripts.
