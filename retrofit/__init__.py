"""Retrofit: trained eviction for a language model (Dynamic Memory Sparsification, arXiv 2506.05345)."""
