"""Adapters: one package a broker."""
