# Source of probe.bin: as --64 probe.s -o probe.o && ld -Ttext 0 --oformat binary -o probe.bin probe.o
# 64 KiB ROM at 0xFFFF0000, real mode start at 0xFFFFFFF0 (cs base 0xFFFF0000)
        .code16
        .org 0
start:  cli
        # page tables in RAM at 0x1000: PML4, 0x2000: PDPT, 0x3000: PD
        xorw %ax,%ax
        movw %ax,%ds
        movw %ax,%es
        lgdtl %cs:gdtr
        movl %cr0,%eax
        orb $1,%al
        movl %eax,%cr0
        ljmpl $8,$(prot+0xffff0000)
        .code32
prot:   movw $16,%ax
        movw %ax,%ds
        movw %ax,%es
        movw %ax,%ss
        movl $0x8000,%esp
        # clear 0x1000-0x5fff
        movl $0x1000,%edi
        xorl %eax,%eax
        movl $0x1400,%ecx
        rep stosl
        movl $0x2003,0x1000
        movl $0x3003,0x2000
        movl $0x4003,0x2018
        movl $0x83,0x3000          # 0-2M
        movl $0xffe00083,0x4ff8    # last 2M below 4G
        movl %cr4,%eax
        orl $0x20,%eax
        movl %eax,%cr4
        movl $0x1000,%eax
        movl %eax,%cr3
        movl $0xc0000080,%ecx
        rdmsr
        orl $0x101,%eax
        wrmsr
        movl %cr0,%eax
        orl $0x80000000,%eax
        movl %eax,%cr0
        ljmpl $24,$(long64+0xffff0000)
        .code64
long64: 
        # a page fault's worth of work: enough memory traffic that a real vCPU must run it
        movl $20000000,%ecx
1:      movq %rcx,0x6000
        decl %ecx
        jnz 1b
        movw $0xf4,%dx
        movb $0x10,%al
        outb %al,%dx
2:      hlt
        jmp 2b
        .align 8
gdt:    .quad 0
        .quad 0x00cf9b000000ffff   # 8: code32
        .quad 0x00cf93000000ffff   # 16: data
        .quad 0x00af9b000000ffff   # 24: code64
gdtr:   .word 31
        .long gdt+0xffff0000
