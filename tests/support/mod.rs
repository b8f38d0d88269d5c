//! What end-to-end tests share: real EasyTier nodes, each a process of its own.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod node;
