// What the page of a processor shows of its kind: `first` above its charts, `then` below them. Exhaustive by type.
import type { Component } from 'svelte';
import type { Processor, ProcessorKind } from '../../../../shared/schemas/processor.ts';
import Batches from './Batches.svelte';
import LateCard from './LateCard.svelte';
import OpenWindowsCard from './OpenWindowsCard.svelte';
import StateCard from './StateCard.svelte';
import WaitingCard from './WaitingCard.svelte';

type Card = Component<{ processor: Processor }>;

export const KIND_CARDS: Record<ProcessorKind, { first: readonly Card[]; then: readonly Card[] }> =
  {
    stateless: { first: [], then: [] },
    stateful: { first: [StateCard], then: [] },
    join: { first: [WaitingCard, LateCard], then: [] },
    window: { first: [OpenWindowsCard, LateCard], then: [] },
    batch: { first: [], then: [Batches] },
  };
