/**
 * The models that the page proposes, the smallest first: real repositories of the Hugging Face hub, with what a person
 * wants to know before a download and what decides whether there is room. Data only. Bytes are those when the list was
 * written; the hub is asked again before anything is downloaded.
 */
import type { ModelSizes } from '../engine/model_need.ts';

export interface RecommendedModel {
  /** `owner/name` on the hub; null for the model that lies beside the page. */
  readonly repo: string | null;
  readonly name: string;
  /** In plain words, one line. */
  readonly about: string;
  /** Numbers that the model has. */
  readonly parameters: number;
  /** Bytes to download. */
  readonly bytes: number;
  /** SPDX identifier, or the licence's own name. */
  readonly license: string;
  /** Bytes of an element as it is held, where that is not 8 bits with a scale. */
  readonly elementBytes?: number;
  readonly sizes: ModelSizes;
}

const SMOLLM2_135M: ModelSizes = {
  hiddenSize: 576,
  intermediateSize: 1536,
  numHiddenLayers: 30,
  numAttentionHeads: 9,
  numKeyValueHeads: 3,
  headDim: 64,
  vocabSize: 49152,
  maxPositionEmbeddings: 8192,
  tieWordEmbeddings: true,
};

export const RECOMMENDED: readonly RecommendedModel[] = [
  {
    repo: null,
    name: 'SmolLM2 135M, taught to forget',
    about: 'Comes with this page, in 4 bits. Small enough to be wrong often.',
    parameters: 134_515_008,
    bytes: 107_600_000,
    license: 'Apache-2.0',
    elementBytes: 24 / 32,
    sizes: SMOLLM2_135M,
  },
  {
    repo: 'HuggingFaceTB/SmolLM2-135M-Instruct',
    name: 'SmolLM2 135M',
    about: 'The same model as it was published. It forgets nothing.',
    parameters: 134_515_008,
    bytes: 269_060_552,
    license: 'Apache-2.0',
    sizes: SMOLLM2_135M,
  },
  {
    repo: 'HuggingFaceTB/SmolLM2-360M-Instruct',
    name: 'SmolLM2 360M',
    about: 'Short answers in English.',
    parameters: 361_821_120,
    bytes: 723_674_912,
    license: 'Apache-2.0',
    sizes: {
      ...SMOLLM2_135M,
      hiddenSize: 960,
      intermediateSize: 2560,
      numHiddenLayers: 32,
      numAttentionHeads: 15,
      numKeyValueHeads: 5,
    },
  },
  {
    repo: 'Qwen/Qwen2.5-0.5B-Instruct-GGUF',
    name: 'Qwen2.5 0.5B',
    about: 'Many languages; answers at once.',
    parameters: 494_032_768,
    bytes: 675_710_816,
    license: 'Apache-2.0',
    sizes: {
      hiddenSize: 896,
      intermediateSize: 4864,
      numHiddenLayers: 24,
      numAttentionHeads: 14,
      numKeyValueHeads: 2,
      headDim: 64,
      vocabSize: 151_936,
      maxPositionEmbeddings: 32_768,
      tieWordEmbeddings: true,
    },
  },
  {
    repo: 'Qwen/Qwen3-0.6B-GGUF',
    name: 'Qwen3 0.6B',
    about: 'Many languages; thinks before it answers.',
    parameters: 596_049_920,
    bytes: 639_446_688,
    license: 'Apache-2.0',
    sizes: {
      hiddenSize: 1024,
      intermediateSize: 3072,
      numHiddenLayers: 28,
      numAttentionHeads: 16,
      numKeyValueHeads: 8,
      headDim: 128,
      vocabSize: 151_936,
      maxPositionEmbeddings: 40_960,
      tieWordEmbeddings: true,
    },
  },
  {
    repo: 'Qwen/Qwen2.5-1.5B-Instruct-GGUF',
    name: 'Qwen2.5 1.5B',
    about: 'Many languages, in 4 bits; the best of these for its size.',
    parameters: 1_543_714_304,
    bytes: 1_117_320_736,
    license: 'Apache-2.0',
    elementBytes: 24 / 32,
    sizes: {
      hiddenSize: 1536,
      intermediateSize: 8960,
      numHiddenLayers: 28,
      numAttentionHeads: 12,
      numKeyValueHeads: 2,
      headDim: 128,
      vocabSize: 151_936,
      maxPositionEmbeddings: 32_768,
      tieWordEmbeddings: true,
    },
  },
  {
    repo: 'HuggingFaceTB/SmolLM2-1.7B-Instruct',
    name: 'SmolLM2 1.7B',
    about: 'The largest of its family; for a good graphics processor.',
    parameters: 1_711_376_384,
    bytes: 3_422_777_952,
    license: 'Apache-2.0',
    sizes: {
      ...SMOLLM2_135M,
      hiddenSize: 2048,
      intermediateSize: 8192,
      numHiddenLayers: 24,
      numAttentionHeads: 32,
      numKeyValueHeads: 32,
    },
  },
  {
    repo: 'nvidia/Qwen3-8B-DMS-8x',
    name: 'Qwen3 8B, taught to forget',
    about: 'NVIDIA’s own, for the largest graphics processors. Its licence forbids commercial use.',
    parameters: 8_190_735_360,
    bytes: 16_381_500_000,
    license: 'NVIDIA, non-commercial',
    sizes: {
      hiddenSize: 4096,
      intermediateSize: 12_288,
      numHiddenLayers: 36,
      numAttentionHeads: 32,
      numKeyValueHeads: 8,
      headDim: 128,
      vocabSize: 151_936,
      maxPositionEmbeddings: 40_960,
      tieWordEmbeddings: false,
    },
  },
];
